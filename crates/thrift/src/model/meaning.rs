//! From syntax trees to a contract.

use super::{
    Constant, Contract, File, Place, Placed, Places, Typedef,
    declare::{ConstantDraft, ServiceDraft, StructDraft, TypedefDraft},
    files::Unit,
    names::Names,
    report::Report,
    typing::State,
};
use crate::{
    Schema,
    idl::{Sources, Span, ast},
    schema::{Annotations, Builder},
};

/// Everything that is known so far. `'a` is the life of the syntax trees.
pub(super) struct Model<'a> {
    pub units: &'a [Unit],
    pub report: &'a mut Report,
    pub names: Names<'a>,
    pub builder: Builder,
    pub places: Places,
    pub typedefs: Vec<TypedefDraft<'a>>,
    /// By their ids in the schema.
    pub structs: Vec<StructDraft<'a>>,
    pub constants: Vec<ConstantDraft<'a>>,
    pub services: Vec<ServiceDraft<'a>>,
    /// Typedefs that are being resolved, the outermost first.
    pub resolving: Vec<usize>,
    /// What constants and defaults may cost from here on; nothing if they were too dear.
    pub budget: Option<usize>,
}

/// The contract that the files make, unless something is wrong with it.
pub(super) fn contract(
    units: Vec<Unit>,
    sources: &Sources,
    report: &mut Report,
) -> Option<Contract> {
    let mut model = Model {
        units: &units,
        report: &mut *report,
        names: Names::new(&units),
        builder: Builder::new(),
        places: Places::default(),
        typedefs: Vec::new(),
        structs: Vec::new(),
        constants: Vec::new(),
        services: Vec::new(),
        resolving: Vec::new(),
        budget: Some(super::values::COST_MAX),
    };
    model.declare();
    model.resolve_typedefs();
    model.read_structs();
    model.evaluate_constants();
    model.define_structs();
    model.define_services();
    model.names.finish(model.report);
    if model.report.has_errors() {
        return None;
    }
    model.check_deprecated();
    let (schema, constants, typedefs, places) = model.finish();
    Some(Contract {
        label: sources.file(units.first()?.source).label.clone(),
        schema,
        sources: sources.clone(),
        files: files(units),
        constants,
        typedefs,
        places,
    })
}

impl<'a> Model<'a> {
    pub(super) fn place(&self, unit: usize, span: Span) -> Place {
        Place::new(self.units[unit].source, span)
    }

    /// The name of a definition, as the schema has it.
    pub(super) fn full_name(&self, unit: usize, name: &ast::Name) -> String {
        format!("{}{}", self.units[unit].prefix, name.text)
    }

    pub(super) fn placed(&self, unit: usize, name: &ast::Name, parts: Vec<Place>) -> Placed {
        Placed {
            name: self.place(unit, name.span),
            parts,
        }
    }

    fn finish(self) -> (Schema, Vec<Constant>, Vec<Typedef>, Places) {
        let units = self.units;
        let name = |unit: usize, name: &ast::Name| format!("{}{}", units[unit].prefix, name.text);
        let constants = self.constants.into_iter().filter_map(|draft| {
            let State::Done(Some(built)) = draft.state else {
                return None;
            };
            Some(Constant {
                name: name(draft.unit, &draft.ast.name),
                ty: draft.ty?,
                value: built.value,
                doc: draft.ast.doc.clone(),
                place: Place::new(units[draft.unit].source, draft.ast.span),
            })
        });
        let typedefs = self.typedefs.iter().filter_map(|draft| {
            let State::Done(Some((ty, _))) = draft.state else {
                return None;
            };
            Some(Typedef {
                name: name(draft.unit, &draft.ast.name),
                ty,
                doc: draft.ast.doc.clone(),
                annotations: annotations(&draft.ast.annotations),
                place: Place::new(units[draft.unit].source, draft.ast.span),
            })
        });
        let constants = constants.collect();
        let typedefs = typedefs.collect();
        (self.builder.build(), constants, typedefs, self.places)
    }
}

fn files(units: Vec<Unit>) -> Vec<File> {
    let sources: Vec<_> = units.iter().map(|unit| unit.source).collect();
    units
        .into_iter()
        .map(|unit| File {
            source: unit.source,
            name: unit.name,
            prefix: unit.prefix,
            document: unit.document,
            includes: unit.includes.iter().map(|it| sources[it.unit]).collect(),
        })
        .collect()
}

/// Annotations by key.
pub(super) fn annotations(written: &[ast::Annotation]) -> Annotations {
    let mut all = Annotations::new();
    for annotation in written {
        let values = all.entry(annotation.key.text.clone()).or_default();
        values.push(annotation.value().to_owned());
    }
    all
}
