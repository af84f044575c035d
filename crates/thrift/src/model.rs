//! What a contract means: files are loaded with what they include, names are resolved, and everything is checked.
//!
//! What is accepted follows the official compiler (`compiler/cpp/src/thrift/parse` of Apache Thrift) with few exceptions:
//!
//! - Refused, because it cannot go on the wire: ids and constants that are too large for their types, constants of unions
//!   with several fields, constants of another kind than their type (the compiler does not look behind a typedef, and
//!   takes any value for a container).
//! - Accepted with a warning: use before definition, and names of constants where the compiler wants them written out.
//!
//! Everything is bounded: files, depths, sizes of types and of constants, and findings.

mod convert;
mod declare;
mod deprecated;
mod fields;
mod files;
mod meaning;
mod names;
mod near;
mod report;
mod services;
mod typing;
mod values;

use std::collections::BTreeMap;

use crate::{
    Schema, Type, Value,
    idl::{Diagnostic, SourceId, Sources, Span, ast},
    schema::{Annotations, EnumId, ServiceId, StructId},
};

/// Where the files of a contract are. Labels are paths with `/`, relative to a common root, without `.` and `..`.
pub trait Files {
    /// The bytes of a file, `None` if there is none with this label.
    ///
    /// # Errors
    ///
    /// Why a file that is there cannot be read.
    fn read(&self, label: &str) -> Result<Option<Vec<u8>>, String>;
}

impl Files for BTreeMap<String, Vec<u8>> {
    fn read(&self, label: &str) -> Result<Option<Vec<u8>>, String> {
        Ok(self.get(label).cloned())
    }
}

/// What came of [`load`].
#[derive(Debug)]
pub struct Loaded {
    /// The files that were read.
    pub sources: Sources,
    /// What was found: by file, and by place in it.
    pub diagnostics: Vec<Diagnostic>,
    /// The contract, unless there is an error.
    pub contract: Option<Contract>,
}

/// Reads a contract: the file `root` and what it includes. Includes are looked for beside the file that includes them, and
/// then in `include_paths`.
#[must_use]
pub fn load(root: &str, files: &dyn Files, include_paths: &[String]) -> Loaded {
    let mut report = report::Report::default();
    let mut sources = Sources::default();
    let units = files::load(root, files, include_paths, &mut sources, &mut report);
    // What follows from half a syntax tree would be noise.
    let contract = if report.has_errors() {
        None
    } else {
        meaning::contract(units, &sources, &mut report)
    };
    Loaded {
        diagnostics: report.finish(),
        sources,
        contract,
    }
}

/// A contract without errors.
#[derive(Debug, Clone)]
pub struct Contract {
    /// The label of its own file.
    pub label: String,
    /// What it means.
    pub schema: Schema,
    /// Its files' texts.
    pub sources: Sources,
    /// Its files, by [`SourceId`]; its own is the first.
    pub files: Vec<File>,
    /// Constants of all files, each file's in order.
    pub constants: Vec<Constant>,
    /// Typedefs of all files, each file's in order.
    pub typedefs: Vec<Typedef>,
    /// Where everything is.
    pub places: Places,
}

impl Contract {
    /// Its own file.
    #[must_use]
    pub fn root(&self) -> &File {
        &self.files[0]
    }

    /// The documentation of its own file.
    #[must_use]
    pub fn doc(&self) -> Option<&str> {
        self.root().document.doc.as_deref()
    }

    /// Drops the definitions as they are written, which nothing needs that works with what they mean: more than half of
    /// what a contract takes. [`File::document`] keeps documentation and headers.
    pub fn forget_definitions(&mut self) {
        for file in &mut self.files {
            file.document.definitions = Vec::new();
        }
    }

    /// The namespaces of its own file: scope and name.
    pub fn namespaces(&self) -> impl Iterator<Item = (&str, &str)> {
        self.root().namespaces()
    }
}

/// A file of a contract.
#[derive(Debug, Clone)]
pub struct File {
    /// Its text.
    pub source: SourceId,
    /// What it is called by files that include it: its name without directory and ending.
    pub name: String,
    /// What is in front of the names of its definitions in the schema: nothing in the contract's own file, else its name
    /// and a dot. Of two files with one name the later has its directory in front as well.
    pub prefix: String,
    /// What it says.
    pub document: ast::Document,
    /// What it includes.
    pub includes: Vec<SourceId>,
}

impl File {
    /// Scope and name of its namespaces. Of two for a scope the last is meant.
    pub fn namespaces(&self) -> impl Iterator<Item = (&str, &str)> {
        self.document
            .headers
            .iter()
            .filter_map(|header| match header {
                ast::Header::Namespace { scope, name, .. } => Some((&*scope.text, &*name.text)),
                ast::Header::Include(_) | ast::Header::CppInclude(_) => None,
            })
    }
}

/// A constant.
#[derive(Debug, Clone)]
pub struct Constant {
    /// Its name; of an included file with the file's prefix.
    pub name: String,
    /// Its type.
    pub ty: Type,
    /// Its value. Defaults of fields that it does not mention are in it.
    pub value: Value,
    /// Its documentation.
    pub doc: Option<String>,
    /// The definition.
    pub place: Place,
}

/// Another name for a type.
#[derive(Debug, Clone)]
pub struct Typedef {
    /// Its name; of an included file with the file's prefix.
    pub name: String,
    /// What it stands for, typedefs resolved.
    pub ty: Type,
    /// Its documentation.
    pub doc: Option<String>,
    /// Its annotations.
    pub annotations: Annotations,
    /// The definition.
    pub place: Place,
}

/// Bytes of a file of a contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Place {
    /// The file.
    pub source: SourceId,
    /// The bytes.
    pub span: Span,
}

impl Place {
    pub(crate) const fn new(source: SourceId, span: Span) -> Self {
        Self { source, span }
    }
}

/// Where a definition and its parts are.
#[derive(Debug, Clone)]
pub struct Placed {
    /// Its name.
    pub name: Place,
    /// Fields, values or methods, in the order of the schema. Methods that are inherited are where they are declared. What
    /// a method returns is the method.
    pub parts: Vec<Place>,
}

/// Where the things of a schema are.
#[derive(Debug, Clone, Default)]
pub struct Places {
    pub(crate) structs: Vec<Placed>,
    pub(crate) enums: Vec<Placed>,
    pub(crate) services: Vec<Placed>,
}

impl Places {
    /// Of a struct, or of the arguments or the result of a method, which are where the method is.
    #[must_use]
    pub fn structure(&self, id: StructId) -> &Placed {
        &self.structs[id.0 as usize]
    }

    /// Of an enumeration.
    #[must_use]
    pub fn enumeration(&self, id: EnumId) -> &Placed {
        &self.enums[id.0 as usize]
    }

    /// Of a service.
    #[must_use]
    pub fn service(&self, id: ServiceId) -> &Placed {
        &self.services[id.0 as usize]
    }
}

#[cfg(test)]
mod tests;
