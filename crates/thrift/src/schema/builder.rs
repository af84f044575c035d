//! Making schemas.

use hashbrown::HashMap;

use super::{
    Annotations, Bits, ElementId, Enum, EnumId, EnumValue, Field, Ids, MapId, Method, Names,
    Requiredness, Role, Schema, Service, ServiceId, Struct, StructId, StructKind, Type,
};
use crate::{
    Value,
    rules::{Rules, bind},
};

/// Makes a [`Schema`]. Things get their ids first and their content later, because types may name each other in circles.
#[derive(Debug, Default)]
pub struct Builder {
    schema: Schema,
    elements: HashMap<Type, ElementId>,
    maps: HashMap<(Type, Type), Type>,
}

/// Why a schema cannot be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// Two fields with one id.
    #[error("{structure} has two fields with id {id}")]
    SameId {
        /// The struct.
        structure: String,
        /// The id.
        id: i16,
    },
    /// Two fields with one name in JSON.
    #[error("{structure} has two fields with the name {name}")]
    SameName {
        /// The struct.
        structure: String,
        /// The name.
        name: String,
    },
    /// Two methods with one name.
    #[error("{service} has two methods with the name {name}")]
    SameMethod {
        /// The service.
        service: String,
        /// The name.
        name: String,
    },
}

/// A field to be.
#[derive(Debug, Clone)]
pub struct NewField {
    /// Its id.
    pub id: i16,
    /// Its name.
    pub name: String,
    /// Its type.
    pub ty: Type,
    /// Whether it must be there.
    pub requiredness: Requiredness,
    /// Its value where none is given.
    pub default: Option<Value>,
    /// Rules for its values.
    pub rules: Option<Rules>,
    /// Its documentation.
    pub doc: Option<String>,
    /// Its annotations; `api.key`, `api.js_conv` and `api.none` are looked at.
    pub annotations: Annotations,
}

impl NewField {
    /// A field of default requiredness.
    #[must_use]
    pub fn new(id: i16, name: impl Into<String>, ty: Type) -> Self {
        Self {
            id,
            name: name.into(),
            ty,
            requiredness: Requiredness::Default,
            default: None,
            rules: None,
            doc: None,
            annotations: Annotations::new(),
        }
    }

    /// With another requiredness.
    #[must_use]
    pub const fn requiredness(mut self, requiredness: Requiredness) -> Self {
        self.requiredness = requiredness;
        self
    }
}

/// A method to be.
#[derive(Debug, Clone)]
pub struct NewMethod {
    /// Its name.
    pub name: String,
    /// Nothing comes back.
    pub is_oneway: bool,
    /// What it returns, if anything.
    pub returns: Option<Type>,
    /// Its arguments.
    pub arguments: Vec<NewField>,
    /// What it throws.
    pub throws: Vec<NewField>,
    /// Its documentation.
    pub doc: Option<String>,
    /// Its annotations.
    pub annotations: Annotations,
}

impl Builder {
    /// An empty schema.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// What there is so far.
    #[must_use]
    pub const fn schema(&self) -> &Schema {
        &self.schema
    }

    /// A struct without fields, which it gets by [`define_struct`](Self::define_struct).
    pub fn declare_struct(
        &mut self,
        name: impl Into<String>,
        kind: StructKind,
        doc: Option<String>,
        annotations: Annotations,
    ) -> StructId {
        self.add_struct(name.into(), Role::Data(kind), doc, annotations)
    }

    fn add_struct(
        &mut self,
        name: String,
        role: Role,
        doc: Option<String>,
        annotations: Annotations,
    ) -> StructId {
        self.schema.structs.push(Struct {
            name,
            role,
            doc,
            annotations,
            fields: Box::default(),
            required: Bits::default(),
            has_rules: false,
            links: Box::default(),
            ids: Ids::new(&[]),
            names: Names::default(),
        });
        StructId(self.schema.structs.len() as u32 - 1)
    }

    /// The fields of a struct, in any order.
    ///
    /// # Errors
    ///
    /// If two have the same id or name.
    pub fn define_struct(
        &mut self,
        id: StructId,
        mut fields: Vec<NewField>,
    ) -> Result<(), BuildError> {
        fields.sort_by_key(|field| field.id);
        let structure = &mut self.schema.structs[id.0 as usize];
        if let Some(twice) = fields.windows(2).find(|pair| pair[0].id == pair[1].id) {
            return Err(BuildError::SameId {
                structure: structure.name.clone(),
                id: twice[0].id,
            });
        }
        let links = bind(&mut fields);
        let is_union = structure.is_union();
        // An exception may be called `success`, as what is returned. Results are found by id alone.
        let may_share_names = matches!(structure.role, Role::Result);
        let ids: Vec<i16> = fields.iter().map(|field| field.id).collect();
        let fields: Box<[Field]> = fields
            .into_iter()
            .map(|field| finish(field, is_union))
            .collect();
        let mut names = Names::default();
        for (at, field) in fields.iter().enumerate() {
            if !field.is_hidden && !names.add(&field.json_name, at) && !may_share_names {
                return Err(BuildError::SameName {
                    structure: structure.name.clone(),
                    name: field.json_name.clone(),
                });
            }
            if field.requiredness == Requiredness::Required {
                structure.required.insert(at);
            }
        }
        structure.ids = Ids::new(&ids);
        structure.names = names;
        structure.fields = fields;
        structure.links = links;
        Ok(())
    }

    /// An enumeration; values in any order.
    pub fn enumeration(
        &mut self,
        name: impl Into<String>,
        mut values: Vec<EnumValue>,
        doc: Option<String>,
        annotations: Annotations,
    ) -> EnumId {
        values.sort_by_key(|value| value.number);
        let names = Names::new(values.iter().map(|value| &*value.name));
        self.schema.enums.push(Enum {
            name: name.into(),
            doc,
            annotations,
            values: values.into(),
            names,
        });
        EnumId(self.schema.enums.len() as u32 - 1)
    }

    /// `list<element>`.
    pub fn list(&mut self, element: Type) -> Type {
        Type::List(self.element(element))
    }

    /// `set<element>`.
    pub fn set(&mut self, element: Type) -> Type {
        Type::Set(self.element(element))
    }

    fn element(&mut self, element: Type) -> ElementId {
        let elements = &mut self.schema.elements;
        *self.elements.entry(element).or_insert_with(|| {
            elements.push(element);
            ElementId(elements.len() as u32 - 1)
        })
    }

    /// `map<key, value>`.
    pub fn map(&mut self, key: Type, value: Type) -> Type {
        let maps = &mut self.schema.maps;
        *self.maps.entry((key, value)).or_insert_with(|| {
            maps.push((key, value));
            Type::Map(MapId(maps.len() as u32 - 1))
        })
    }

    /// A service with the methods that it declares itself; those of `extends`, which must be there, come with it.
    ///
    /// # Errors
    ///
    /// If two methods, or two arguments of one, have the same name or id.
    pub fn service(
        &mut self,
        name: impl Into<String>,
        extends: Option<ServiceId>,
        is_own: bool,
        methods: Vec<NewMethod>,
        doc: Option<String>,
        annotations: Annotations,
    ) -> Result<ServiceId, BuildError> {
        let name = name.into();
        let id = ServiceId(self.schema.services.len() as u32);
        let mut all: Vec<Method> = extends.map_or_else(Vec::new, |parent| {
            self.schema.service(parent).methods.to_vec()
        });
        for method in methods {
            let method = self.method(method, id)?;
            all.push(method);
        }
        let mut names = Names::default();
        for (at, method) in all.iter().enumerate() {
            if !names.add(&method.name, at) {
                return Err(BuildError::SameMethod {
                    service: name,
                    name: method.name.clone(),
                });
            }
        }
        self.schema.services.push(Service {
            name,
            doc,
            annotations,
            extends,
            is_own,
            methods: all.into(),
            names,
        });
        Ok(id)
    }

    fn method(&mut self, method: NewMethod, declared_in: ServiceId) -> Result<Method, BuildError> {
        let arguments = self.add_struct(
            format!("{}_args", method.name),
            Role::Arguments,
            None,
            Annotations::new(),
        );
        self.define_struct(arguments, method.arguments)?;
        let result = if method.is_oneway {
            None
        } else {
            let result = self.add_struct(
                format!("{}_result", method.name),
                Role::Result,
                None,
                Annotations::new(),
            );
            let optional = |field: NewField| field.requiredness(Requiredness::Optional);
            let success = method.returns.map(|ty| NewField::new(0, "success", ty));
            let fields = success.into_iter().chain(method.throws).map(optional);
            self.define_struct(result, fields.collect())?;
            Some(result)
        };
        Ok(Method {
            name: method.name,
            doc: method.doc,
            annotations: method.annotations,
            arguments,
            result,
            declared_in,
        })
    }

    /// The schema.
    #[must_use]
    pub fn build(mut self) -> Schema {
        self.mark_rules();
        self.schema
    }

    /// A struct has rules if one of its fields has, or something within them.
    fn mark_rules(&mut self) {
        let structs = &self.schema.structs;
        let with_rules = |structure: &Struct| structure.fields.iter().any(|it| it.rules.is_some());
        let mut marked: Vec<usize> = (0..structs.len())
            .filter(|at| with_rules(&structs[*at]))
            .collect();
        if marked.is_empty() {
            return;
        }
        let mut users = vec![Vec::new(); structs.len()];
        for (at, structure) in structs.iter().enumerate() {
            for field in &structure.fields {
                self.for_each_struct(field.ty, &mut |used| users[used].push(at));
            }
        }
        while let Some(at) = marked.pop() {
            if !std::mem::replace(&mut self.schema.structs[at].has_rules, true) {
                marked.append(&mut users[at]);
            }
        }
    }

    /// Calls `found` for the structs that are written in a type.
    fn for_each_struct(&self, ty: Type, found: &mut impl FnMut(usize)) {
        match ty {
            Type::Struct(id) => found(id.0 as usize),
            Type::List(id) | Type::Set(id) => self.for_each_struct(self.schema.element(id), found),
            Type::Map(id) => {
                let (key, value) = self.schema.map(id);
                self.for_each_struct(key, found);
                self.for_each_struct(value, found);
            }
            Type::Bool
            | Type::I8
            | Type::I16
            | Type::I32
            | Type::I64
            | Type::Double
            | Type::String
            | Type::Binary
            | Type::Uuid
            | Type::Enum(_) => {}
        }
    }
}

/// A field's name in JSON: `api.key`, or its own.
pub(crate) fn json_name<'a>(name: &'a str, annotations: &'a Annotations) -> &'a str {
    let aliases = annotations.get("api.key");
    aliases
        .and_then(|aliases| aliases.first())
        .map_or(name, String::as_str)
}

/// An annotation is there, and is not `false`.
pub(crate) fn is_set(annotations: &Annotations, key: &str) -> bool {
    let first = annotations.get(key).and_then(|values| values.first());
    first.is_some_and(|value| value != "false")
}

fn finish(field: NewField, in_union: bool) -> Field {
    let json_name = json_name(&field.name, &field.annotations).to_owned();
    let json_label = format!("{}:", serde_json::Value::from(json_name.as_str())).into();
    Field {
        id: field.id,
        json_label,
        json_name,
        is_int64_text: is_set(&field.annotations, "api.js_conv"),
        is_hidden: is_set(&field.annotations, "api.none"),
        name: field.name,
        ty: field.ty,
        requiredness: if in_union {
            Requiredness::Optional
        } else {
            field.requiredness
        },
        default: field.default,
        rules: field.rules.map(Box::new),
        doc: field.doc,
        annotations: field.annotations,
    }
}
