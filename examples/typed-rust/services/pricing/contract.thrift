/** What an order costs. */
enum Currency { EUR = 1, USD = 2 }

struct Line {
  1: required string article,
  2: required i32 count (vt.ge = "1", vt.le = "1000"),
  /** In hundredths. */
  3: required i64 price (vt.ge = "0"),
}

struct Quote {
  1: required i64 total,
  2: required Currency currency,
  3: list<string> notes,
}

exception TooMuch {
  1: required string message,
  2: required i64 limit,
} (api.http_code = "409")

service Pricing {
  Quote quote(1: list<Line> lines, 2: Currency currency) throws (1: TooMuch too_much) (trefoil.safe = "true")
  oneway void seen(1: string article)
} (trefoil.key = "example/pricing", trefoil.version = "1.0.0")
