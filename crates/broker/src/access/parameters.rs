//! Runtime parameters: JSON that somebody keeps in the broker, of a virtual host and a component, or of all.

use std::collections::BTreeMap;

use serde_json::Value;

/// Why a parameter was not accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParameterError {
    /// Policies have their own way.
    #[error("policies may not be set using this method")]
    Policy,
}

/// All runtime parameters. Limits of virtual hosts look like parameters outside, but are kept as limits
/// ([`super::Access::set_vhost_limits`]).
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Parameters {
    global: BTreeMap<String, Value>,
    /// By virtual host, component and name.
    of_vhosts: BTreeMap<(String, String, String), Value>,
}

impl Parameters {
    /// A global parameter.
    #[must_use]
    pub fn global(&self, name: &str) -> Option<&Value> {
        self.global.get(name)
    }

    /// All global parameters, by name.
    pub fn all_global(&self) -> impl ExactSizeIterator<Item = (&str, &Value)> {
        self.global
            .iter()
            .map(|(name, value)| (name.as_str(), value))
    }

    /// Sets a global parameter. True if it is new.
    pub fn set_global(&mut self, name: &str, value: Value) -> bool {
        self.global.insert(name.to_owned(), value).is_none()
    }

    /// Removes a global parameter. Whether there was one.
    pub fn clear_global(&mut self, name: &str) -> bool {
        self.global.remove(name).is_some()
    }

    /// A parameter of a virtual host.
    #[must_use]
    pub fn get(&self, virtual_host: &str, component: &str, name: &str) -> Option<&Value> {
        self.of_vhosts.get(&key(virtual_host, component, name))
    }

    /// All parameters of virtual hosts as (virtual host, component, name, value), in that order.
    pub fn all(&self) -> impl ExactSizeIterator<Item = (&str, &str, &str, &Value)> {
        self.of_vhosts
            .iter()
            .map(|((vhost, component, name), value)| {
                (vhost.as_str(), component.as_str(), name.as_str(), value)
            })
    }

    /// Sets a parameter. True if it is new.
    ///
    /// # Errors
    /// Policies are no parameters here.
    pub fn set(
        &mut self,
        virtual_host: &str,
        component: &str,
        name: &str,
        value: Value,
    ) -> Result<bool, ParameterError> {
        if matches!(component, "policy" | "operator_policy") {
            return Err(ParameterError::Policy);
        }
        Ok(self
            .of_vhosts
            .insert(key(virtual_host, component, name), value)
            .is_none())
    }

    /// Removes a parameter. Whether there was one.
    pub fn clear(&mut self, virtual_host: &str, component: &str, name: &str) -> bool {
        self.of_vhosts
            .remove(&key(virtual_host, component, name))
            .is_some()
    }

    /// Forgets the parameters of a virtual host that is gone.
    pub fn delete_virtual_host(&mut self, virtual_host: &str) {
        self.of_vhosts
            .retain(|(vhost, _, _), _| vhost != virtual_host);
    }
}

fn key(virtual_host: &str, component: &str, name: &str) -> (String, String, String) {
    (
        virtual_host.to_owned(),
        component.to_owned(),
        name.to_owned(),
    )
}
