//! Units of ports: whether two are of the same dimension, and the factor between them.
//!
//! Written as osparc does (`milli-second`, `meter`), in short (`ms`, `mV`, `uM`), or composed (`uA/cm^2`,
//! `siemens / meter`). Scales with another zero (`degC`, `K`) are never converted: a factor cannot do that.

/// Exponents of: metre, kilogram, second, ampere, kelvin, mole, candela, radian, degree Celsius, byte.
type Dimension = [i32; 10];

/// Longest unit that is parsed; longer texts are compared as they are.
const UNIT_BYTES_MAX: usize = 100;
/// Largest exponent of one part: no physical unit has more.
const EXPONENT_MAX: i32 = 9;
/// Factors this near to each other are the same: they differ by rounding only.
const FACTOR_TOLERANCE: f64 = 1e-9;

#[derive(Debug, Clone, Copy, PartialEq)]
struct Unit {
    dimension: Dimension,
    /// To the SI unit of the dimension.
    factor: f64,
}

const ONE: Unit = Unit {
    dimension: [0; 10],
    factor: 1.0,
};

/// How values in one unit become values in another.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Conversion {
    /// As they are.
    Same,
    /// Multiplied.
    Factor(f64),
    /// Not at all.
    None,
}

/// How values in `from` become values in `to`.
pub(crate) fn convert(from: &str, to: &str) -> Conversion {
    if from.trim() == to.trim() {
        return Conversion::Same;
    }
    let (Some(a), Some(b)) = (parse(from), parse(to)) else {
        return Conversion::None;
    };
    if a.dimension != b.dimension {
        return Conversion::None;
    }
    let factor = a.factor / b.factor;
    if (factor - 1.0).abs() < FACTOR_TOLERANCE {
        return Conversion::Same;
    }
    Conversion::Factor(tidy(factor))
}

/// `0.0010000000000000002` is 0.001 to people: twelve digits are more than a unit means.
fn tidy(factor: f64) -> f64 {
    format!("{factor:.11e}").parse().unwrap_or(factor)
}

fn parse(text: &str) -> Option<Unit> {
    if text.len() > UNIT_BYTES_MAX {
        return None;
    }
    let text = text
        .replace(" per ", "/")
        .replace("**", "^")
        .replace(['·', '⋅'], "*");
    let text = text.replace('*', " * ").replace('/', " / ");
    let mut unit = ONE;
    // The sign of the exponent of the unit that must come next; none is due after a unit.
    let mut due = Some(1);
    let mut divided = false;
    for token in text.split_whitespace() {
        if let Some(sign) = (token == "*").then_some(1).or((token == "/").then_some(-1)) {
            if due.replace(sign).is_some() {
                return None;
            }
            continue;
        }
        let sign = match due.take() {
            Some(sign) => sign,
            // `a/b c` is a·c/b for some and a/(b·c) for others.
            None if divided => return None,
            None => 1,
        };
        divided |= sign < 0;
        unit = multiply(unit, parse_power(token)?, sign)?;
    }
    due.is_none().then_some(unit)
}

fn multiply(a: Unit, (b, exponent): (Unit, i32), sign: i32) -> Option<Unit> {
    let exponent = exponent * sign;
    let mut dimension = a.dimension;
    for (sum, part) in dimension.iter_mut().zip(b.dimension) {
        *sum = sum.checked_add(part.checked_mul(exponent)?)?;
    }
    Some(Unit {
        dimension,
        factor: a.factor * b.factor.powi(exponent),
    })
}

/// `cm^2`, `cm2`, `s-1`, `m²`.
fn parse_power(text: &str) -> Option<(Unit, i32)> {
    if text == "1" {
        return Some((ONE, 1));
    }
    if let Some(base) = text.strip_suffix('²') {
        return Some((parse_atom(base)?, 2));
    }
    if let Some(base) = text.strip_suffix('³') {
        return Some((parse_atom(base)?, 3));
    }
    let (base, exponent) = match text.split_once('^') {
        Some((base, exponent)) => (base, exponent),
        None => {
            let end = text
                .trim_end_matches(|c: char| c.is_ascii_digit())
                .trim_end_matches('-')
                .len();
            text.split_at(end)
        }
    };
    let exponent: i32 = if exponent.is_empty() {
        1
    } else {
        exponent.parse().ok()?
    };
    (exponent.abs() <= EXPONENT_MAX).then_some(())?;
    Some((parse_atom(base)?, exponent))
}

/// One name with maybe a prefix. A whole name wins: `min` is a minute, `cd` a candela, `Pa` a pascal.
fn parse_atom(text: &str) -> Option<Unit> {
    if let Some(unit) = short(text) {
        return Some(unit);
    }
    for (prefix, factor) in SHORT_PREFIXES {
        if let Some(unit) = text.strip_prefix(prefix).and_then(prefixable) {
            return Some(Unit {
                factor: unit.factor * factor,
                ..unit
            });
        }
    }
    let name: String = text
        .chars()
        .filter(|c| !matches!(c, '-' | '_'))
        .flat_map(char::to_lowercase)
        .collect();
    if let Some(unit) = long(&name) {
        return Some(unit);
    }
    LONG_PREFIXES.iter().find_map(|(prefix, factor)| {
        let unit = name.strip_prefix(prefix).and_then(long)?;
        Some(Unit {
            factor: unit.factor * factor,
            ..unit
        })
    })
}

const SHORT_PREFIXES: [(&str, f64); 14] = [
    ("f", 1e-15),
    ("p", 1e-12),
    ("n", 1e-9),
    ("u", 1e-6),
    ("µ", 1e-6),
    ("μ", 1e-6),
    ("m", 1e-3),
    ("c", 1e-2),
    ("d", 1e-1),
    ("h", 1e2),
    ("k", 1e3),
    ("M", 1e6),
    ("G", 1e9),
    ("T", 1e12),
];

const LONG_PREFIXES: [(&str, f64); 12] = [
    ("femto", 1e-15),
    ("pico", 1e-12),
    ("nano", 1e-9),
    ("micro", 1e-6),
    ("milli", 1e-3),
    ("centi", 1e-2),
    ("deci", 1e-1),
    ("hecto", 1e2),
    ("kilo", 1e3),
    ("mega", 1e6),
    ("giga", 1e9),
    ("tera", 1e12),
];

/// Units of time other than the second, and counts, take no prefix.
fn prefixable(symbol: &str) -> Option<Unit> {
    if matches!(
        symbol,
        "min" | "h" | "d" | "kg" | "%" | "°C" | "degC" | "deg" | "°" | "mmHg"
    ) {
        return None;
    }
    short(symbol)
}

fn short(symbol: &str) -> Option<Unit> {
    let name = match symbol {
        "m" => "meter",
        "g" => "gram",
        "kg" => "kilogram",
        "s" => "second",
        "A" => "ampere",
        "K" => "kelvin",
        "mol" => "mole",
        "cd" => "candela",
        "rad" => "radian",
        "deg" | "°" => "degree",
        "°C" | "degC" => "celsius",
        "min" => "minute",
        "h" | "hr" => "hour",
        "d" => "day",
        "Hz" => "hertz",
        "N" => "newton",
        "Pa" => "pascal",
        "bar" => "bar",
        "mmHg" => "mmhg",
        "J" => "joule",
        "eV" => "electronvolt",
        "cal" => "calorie",
        "W" => "watt",
        "C" => "coulomb",
        "V" => "volt",
        "F" => "farad",
        "ohm" | "\u{3a9}" | "\u{2126}" => "ohm",
        "S" => "siemens",
        "Wb" => "weber",
        "T" => "tesla",
        "H" => "henry",
        "l" | "L" => "liter",
        "M" => "molar",
        "%" => "percent",
        "B" => "byte",
        _ => return None,
    };
    long(name)
}

/// Full names in lower case, in either spelling, singular or plural.
fn long(name: &str) -> Option<Unit> {
    base(name).or_else(|| base(name.strip_suffix('s')?))
}

fn base(name: &str) -> Option<Unit> {
    let (factor, [m, kg, s, a, k, mol]) = match name {
        "meter" | "metre" => (1.0, [1, 0, 0, 0, 0, 0]),
        "gram" => (1e-3, [0, 1, 0, 0, 0, 0]),
        "kilogram" => (1.0, [0, 1, 0, 0, 0, 0]),
        "second" => (1.0, [0, 0, 1, 0, 0, 0]),
        "minute" => (60.0, [0, 0, 1, 0, 0, 0]),
        "hour" => (3600.0, [0, 0, 1, 0, 0, 0]),
        "day" => (86_400.0, [0, 0, 1, 0, 0, 0]),
        "ampere" => (1.0, [0, 0, 0, 1, 0, 0]),
        "kelvin" => (1.0, [0, 0, 0, 0, 1, 0]),
        "mole" => (1.0, [0, 0, 0, 0, 0, 1]),
        "hertz" => (1.0, [0, 0, -1, 0, 0, 0]),
        "newton" => (1.0, [1, 1, -2, 0, 0, 0]),
        "pascal" => (1.0, [-1, 1, -2, 0, 0, 0]),
        "bar" => (1e5, [-1, 1, -2, 0, 0, 0]),
        "mmhg" => (133.322_387_415, [-1, 1, -2, 0, 0, 0]),
        "joule" => (1.0, [2, 1, -2, 0, 0, 0]),
        "electronvolt" => (1.602_176_634e-19, [2, 1, -2, 0, 0, 0]),
        "calorie" => (4.184, [2, 1, -2, 0, 0, 0]),
        "watt" => (1.0, [2, 1, -3, 0, 0, 0]),
        "coulomb" => (1.0, [0, 0, 1, 1, 0, 0]),
        "volt" => (1.0, [2, 1, -3, -1, 0, 0]),
        "farad" => (1.0, [-2, -1, 4, 2, 0, 0]),
        "ohm" => (1.0, [2, 1, -3, -2, 0, 0]),
        "siemens" => (1.0, [-2, -1, 3, 2, 0, 0]),
        "weber" => (1.0, [2, 1, -2, -1, 0, 0]),
        "tesla" => (1.0, [0, 1, -2, -1, 0, 0]),
        "henry" => (1.0, [2, 1, -2, -2, 0, 0]),
        "liter" | "litre" => (1e-3, [3, 0, 0, 0, 0, 0]),
        "molar" => (1e3, [-3, 0, 0, 0, 0, 1]),
        "dimensionless" => (1.0, [0; 6]),
        "percent" => (1e-2, [0; 6]),
        "candela" => {
            return Some(Unit {
                dimension: lone(6),
                factor: 1.0,
            });
        }
        "radian" => {
            return Some(Unit {
                dimension: lone(7),
                factor: 1.0,
            });
        }
        "degree" => {
            return Some(Unit {
                dimension: lone(7),
                factor: std::f64::consts::PI / 180.0,
            });
        }
        "celsius" | "degreecelsius" | "degreescelsius" | "degc" => {
            return Some(Unit {
                dimension: lone(8),
                factor: 1.0,
            });
        }
        "byte" => {
            return Some(Unit {
                dimension: lone(9),
                factor: 1.0,
            });
        }
        _ => return None,
    };
    Some(Unit {
        dimension: [m, kg, s, a, k, mol, 0, 0, 0, 0],
        factor,
    })
}

/// The dimension of a unit that is not composed of others.
fn lone(index: usize) -> Dimension {
    std::array::from_fn(|i| i32::from(i == index))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(from: &str, to: &str, expected: Conversion) {
        assert_eq!(convert(from, to), expected, "{from} → {to}");
    }

    #[test]
    fn same_units_in_other_words() {
        for (from, to) in [
            ("second", "s"),
            ("milli-second", "ms"),
            ("milli_second", "milliseconds"),
            ("micro-meter", "µm"),
            ("um", "μm"),
            ("uA/cm^2", "µA/cm²"),
            ("siemens / meter", "S/m"),
            ("S/m", "siemens per metre"),
            ("1/s", "Hz"),
            ("s-1", "Hz"),
            ("s^-1", "hertz"),
            ("degree_celsius", "°C"),
            ("N*m", "J"),
            ("mM", "mol/m^3"),
            ("m/s/s", "m/s^2"),
            ("some unit", "some unit"),
            ("k\u{2126}", "k\u{3a9}"),
            ("N m", "J"),
        ] {
            check(from, to, Conversion::Same);
        }
    }

    #[test]
    fn factors() {
        for (from, to, factor) in [
            ("mm", "m", 0.001),
            ("m", "mm", 1000.0),
            ("ms", "s", 0.001),
            ("mV", "V", 0.001),
            ("uM", "mM", 0.001),
            ("min", "s", 60.0),
            ("hour", "minute", 60.0),
            ("mS/cm^2", "S/m^2", 10.0),
            ("kPa", "mmHg", 7.500_615_758_46),
            ("L", "mL", 1000.0),
            ("kilo-byte", "B", 1000.0),
            ("%", "dimensionless", 0.01),
            ("kHz", "1/ms", 1.0),
        ] {
            if factor == 1.0 {
                check(from, to, Conversion::Same);
                continue;
            }
            let Conversion::Factor(found) = convert(from, to) else {
                panic!("{from} → {to} has no factor")
            };
            assert!(
                (found / factor - 1.0).abs() < 1e-8,
                "{from} → {to}: {found}"
            );
        }
        check("mm", "m", Conversion::Factor(0.001));
    }

    #[test]
    fn nothing_in_common() {
        let long = "m*".repeat(60) + "m";
        for (from, to) in [
            ("mm", "s"),
            ("°C", "K"),
            ("degC", "kelvin"),
            ("widgets", "gadgets"),
            ("widgets", "m"),
            ("m^99999999999", "m"),
            ("m^10", "m^11"),
            ("", "m"),
            ("//", "m"),
            ("m//s", "m"),
            ("m/", "m"),
            ("* m", "m"),
            ("S/m s", "S/m"),
            ("mmin", "s"),
            ("MM", "m"),
            (long.as_str(), "m"),
        ] {
            check(from, to, Conversion::None);
        }
    }
}
