//! Kinds of changes.

/// Makes the enumeration, and what is said of each kind.
macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident $key:literal $message:literal,)*) => {
        /// What changed. Each is a rule.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Kind {
            $($(#[$doc])* $kind,)*
        }

        impl Kind {
            /// All kinds.
            pub const ALL: &'static [Self] = &[$(Self::$kind,)*];

            /// Its name for programs, which stays.
            #[must_use]
            pub const fn key(self) -> &'static str {
                match self {
                    $(Self::$kind => $key,)*
                }
            }

            /// What happened and whom it concerns, for people.
            #[must_use]
            pub const fn message(self) -> &'static str {
                match self {
                    $(Self::$kind => $message,)*
                }
            }
        }
    };
}

kinds! {
    /// A service of the contract's own file is gone.
    ServiceRemoved "service-removed" "the service is gone",
    /// There is a new service.
    ServiceAdded "service-added" "the service is new",
    /// The service extends another one, and has the same methods.
    ParentChanged "parent-changed" "the service extends another one, and has the same methods",
    /// A method is gone.
    MethodRemoved "method-removed" "the method is gone",
    /// There is a new method.
    MethodAdded "method-added" "the method is new",
    /// A method is one-way, or no longer.
    OnewayChanged "oneway-changed" "one side waits for a reply that never comes, or does not wait for one that does",
    /// A method returns something else.
    ReturnChanged "return-changed" "the method returns another type",
    /// The same on the Thrift wire.
    ReturnChangedInJson "return-changed-in-json" "the method returns another type: the same on the Thrift wire, but not in JSON",
    /// A method throws more.
    ExceptionAdded "exception-added" "the method may throw more: callers take the exception for a missing result",
    /// A method throws less.
    ExceptionRemoved "exception-removed" "the method no longer throws this",
    /// An argument is gone.
    ArgumentRemoved "argument-removed" "the argument is gone: what callers send is ignored",
    /// There is a new argument.
    ArgumentAdded "argument-added" "the argument is new, and callers need not send it",
    /// There is a new argument that must be sent.
    RequiredArgumentAdded "required-argument-added" "the argument is new, and callers do not send it although it is required",
    /// A field is gone.
    FieldRemoved "field-removed" "the field is gone",
    /// There is a new field.
    FieldAdded "field-added" "the field is new",
    /// There is a new field that must be there.
    RequiredFieldAdded "required-field-added" "the field is new and required: who does not know it does not send it",
    /// A field has another id.
    FieldRenumbered "field-renumbered" "the id changed: on the Thrift wire it is another field",
    /// A field has another name, and so in JSON.
    FieldRenamed "field-renamed" "the name changed: in JSON it is another field, on the Thrift wire the same",
    /// A field has another name, but not in JSON.
    FieldRenamedInCode "field-renamed-in-code" "the name changed in generated code only",
    /// A field keeps its name, but not that in JSON.
    JsonNameChanged "json-name-changed" "the name in JSON changed: for REST it is another field",
    /// A type is another one.
    TypeChanged "type-changed" "the type changed: on the Thrift wire it is no longer understood",
    /// A type is another one, but the same on the Thrift wire.
    TypeChangedInJson "type-changed-in-json" "the type changed: the same on the Thrift wire, but not in JSON",
    /// A field must be there.
    MadeRequired "made-required" "the field is required now",
    /// A field may be absent.
    MadeOptional "made-optional" "the field is no longer required",
    /// A field is always written, or no longer, and never was required.
    PresenceChanged "presence-changed" "whether the field is written when it is not set changed",
    /// A field has a default.
    DefaultAdded "default-added" "the field has a default now",
    /// A field has another default.
    DefaultChanged "default-changed" "who leaves the field out gets another value",
    /// A field has no default any more.
    DefaultRemoved "default-removed" "who leaves the field out gets no value any more",
    /// A struct, union, exception or enumeration is gone.
    TypeRemoved "type-removed" "the type is gone; what used it is listed on its own",
    /// There is a new struct, union, exception or enumeration.
    TypeAdded "type-added" "the type is new",
    /// A type has another name.
    TypeRenamed "type-renamed" "the type has another name, which no wire has",
    /// An exception has another name.
    ExceptionRenamed "exception-renamed" "the exception has another name: for REST it is another error",
    /// A struct became a union, or the like.
    StructKindChanged "struct-kind-changed" "a struct, a union and an exception are different things",
    /// A value of an enumeration is gone.
    EnumValueRemoved "enum-value-removed" "the value is gone",
    /// A value of an enumeration has another number.
    EnumValueRenumbered "enum-value-renumbered" "the number changed: on the Thrift wire it is another value",
    /// A value of an enumeration has another name.
    EnumValueRenamed "enum-value-renamed" "the name changed: in JSON it is another value, on the Thrift wire the same",
    /// There is a new value of an enumeration.
    EnumValueAdded "enum-value-added" "the value is new; receivers may not know it",
    /// A route is gone.
    RouteRemoved "route-removed" "the REST route is gone",
    /// There is a new route.
    RouteAdded "route-added" "the REST route is new",
    /// A field comes from elsewhere in HTTP.
    SourceChanged "source-changed" "the field is elsewhere in HTTP requests or responses",
    /// A field may come from elsewhere in HTTP too.
    SourceAdded "source-added" "the field may be elsewhere in HTTP too",
    /// Another HTTP status.
    StatusChanged "status-changed" "the HTTP status changed",
    /// 64-bit integers are strings in JSON, or no longer.
    Int64FormChanged "int64-form-changed" "whether 64-bit integers are strings in JSON changed",
    /// A field is no longer in JSON.
    HiddenInJson "hidden-in-json" "the field is no longer part of JSON",
    /// A field is in JSON.
    ShownInJson "shown-in-json" "the field is part of JSON now",
    /// Values have to obey more.
    RuleStricter "rule-stricter" "fewer values are allowed",
    /// Values have to obey less.
    RuleLooser "rule-looser" "more values are allowed",
    /// Something should no longer be used.
    Deprecated "deprecated" "it should no longer be used",
    /// Another annotation.
    AnnotationChanged "annotation-changed" "an annotation changed",
    /// A constant is gone.
    ConstantRemoved "constant-removed" "the constant is gone from generated code",
    /// There is a new constant.
    ConstantAdded "constant-added" "the constant is new",
    /// A constant has another type or value.
    ConstantChanged "constant-changed" "the constant changed in generated code",
    /// A namespace changed.
    NamespaceChanged "namespace-changed" "generated code is elsewhere",
    /// Documentation changed.
    DocChanged "doc-changed" "the documentation changed",
}
