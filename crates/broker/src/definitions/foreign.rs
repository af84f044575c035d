//! What definitions from RabbitMQ may have and nothing here acts on: federation and shovels.
//!
//! Whoever moves has them in the file, and a file that is refused as a whole is no help. So it is taken out, or kept where
//! keeping costs nothing, and said. Asked for by itself it is refused, as by a RabbitMQ without the plugins.

use std::collections::BTreeMap;

use super::{Definitions, ParameterDefinition, PolicyDefinition};

/// Keys of policies.
const POLICY_KEYS: [&str; 3] = [
    "federation-upstream",
    "federation-upstream-pattern",
    "federation-upstream-set",
];
/// The type of exchanges that a link makes at its upstream. RabbitMQ does not export them, but their bindings.
const EXCHANGE_TYPE: &str = "x-federation-upstream";
/// The argument of queues that a link makes there.
const PURPOSE: (&str, &str) = ("x-internal-purpose", "federation");
/// Components of parameters, and what there is none of.
const COMPONENTS: [(&str, &str); 3] = [
    ("federation-upstream", "federation"),
    ("federation-upstream-set", "federation"),
    ("shovel", "shovel"),
];

fn place(vhost: Option<&str>) -> &str {
    vhost.unwrap_or("/")
}

impl Definitions {
    /// Takes out what belongs to federation and would be refused. A line for everything that was taken out, or has no effect.
    pub fn remove_foreign(&mut self) -> Vec<String> {
        let mut notes = Vec::new();
        self.policies.retain_mut(|policy| strip(policy, &mut notes));
        self.remove_links(&mut notes);
        notes.extend(self.parameters.iter().filter_map(without_effect));
        notes
    }

    /// Exchanges and queues of links, with their bindings.
    fn remove_links(&mut self, notes: &mut Vec<String>) {
        let mut links: BTreeMap<(&str, String, String), usize> = BTreeMap::new();
        self.exchanges.retain(|exchange| {
            let is_link = exchange.exchange_type == EXCHANGE_TYPE;
            if is_link {
                let vhost = place(exchange.vhost.as_deref()).to_owned();
                links.insert(("exchange", vhost, exchange.name.clone()), 0);
            }
            !is_link
        });
        self.queues.retain(|queue| {
            let purpose = queue.arguments.get(PURPOSE.0);
            let is_link = purpose.is_some_and(|purpose| *purpose == PURPOSE.1);
            if is_link {
                let vhost = place(queue.vhost.as_deref()).to_owned();
                links.insert(("queue", vhost, queue.name.clone()), 0);
            }
            !is_link
        });
        if links.is_empty() {
            return;
        }
        self.bindings.retain(|binding| {
            let vhost = place(binding.vhost.as_deref());
            let kind = match binding.is_to_queue() {
                true => "queue",
                false => "exchange",
            };
            let mut of = |kind, name: &str| {
                let bindings = links.get_mut(&(kind, vhost.to_owned(), name.to_owned()));
                bindings.map(|bindings| *bindings += 1).is_some()
            };
            let is_of_link = of("exchange", &binding.source) || of(kind, &binding.destination);
            !is_of_link
        });
        for ((kind, vhost, name), bindings) in links {
            notes.push(format!(
                "{kind} '{name}' in vhost '{vhost}' was left out with its bindings ({bindings}): it belongs to federation, which is not there"
            ));
        }
    }
}

/// Takes keys out of a policy. Whether something is left of it.
fn strip(policy: &mut PolicyDefinition, notes: &mut Vec<String>) -> bool {
    let found: Vec<&str> = POLICY_KEYS
        .into_iter()
        .filter(|key| policy.definition.remove(*key).is_some())
        .collect();
    if found.is_empty() {
        return true;
    }
    let is_left = !policy.definition.is_empty();
    let keys = found.join(", ");
    let what = match is_left {
        true => format!("{keys} was left out"),
        false => format!("it was left out, for it has nothing but {keys}"),
    };
    notes.push(format!(
        "policy '{}' in vhost '{}': {what}: there is no federation",
        policy.name,
        place(policy.vhost.as_deref())
    ));
    is_left
}

fn without_effect(parameter: &ParameterDefinition) -> Option<String> {
    let component = &parameter.component;
    let (_, missing) = COMPONENTS.iter().find(|(known, _)| known == component)?;
    Some(format!(
        "parameter '{}' of {component} in vhost '{}' is kept, without effect: there is no {missing}",
        parameter.name,
        place(parameter.vhost.as_deref())
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn federation_is_left_out_and_the_rest_stays() {
        let mut definitions = Definitions::parse(
            br#"{
            "vhosts": [{"name": "/"}],
            "policies": [
                {"vhost": "/", "name": "all", "pattern": ".*", "definition": {"federation-upstream-set": "all"}},
                {"vhost": "/", "name": "both", "pattern": ".*", "definition": {"federation-upstream": "up", "max-length": 5}},
                {"vhost": "/", "name": "plain", "pattern": ".*", "definition": {"max-length": 6}}
            ],
            "parameters": [
                {"vhost": "/", "component": "federation-upstream", "name": "up", "value": {"uri": "amqp://h"}},
                {"vhost": "/", "component": "shovel", "name": "move", "value": {}},
                {"vhost": "/", "component": "other", "name": "kept", "value": {}}
            ],
            "exchanges": [
                {"vhost": "/", "name": "x", "type": "fanout", "durable": true, "auto_delete": false, "internal": false, "arguments": {}},
                {"vhost": "/", "name": "link", "type": "x-federation-upstream", "durable": true, "auto_delete": true, "internal": true, "arguments": {}}
            ],
            "queues": [
                {"vhost": "/", "name": "link", "durable": true, "auto_delete": false, "arguments": {}},
                {"vhost": "/", "name": "of link", "durable": true, "auto_delete": false, "arguments": {"x-internal-purpose": "federation"}}
            ],
            "bindings": [
                {"vhost": "/", "source": "x", "destination": "link", "destination_type": "exchange", "routing_key": "", "arguments": {}},
                {"vhost": "/", "source": "link", "destination": "link", "destination_type": "queue", "routing_key": "", "arguments": {}},
                {"vhost": "/", "source": "not exported", "destination": "of link", "destination_type": "queue", "routing_key": "", "arguments": {}},
                {"vhost": "/", "source": "x", "destination": "link", "destination_type": "queue", "routing_key": "", "arguments": {}}
            ]
        }"#,
        )
        .unwrap();
        assert_eq!(
            definitions.remove_foreign(),
            [
                "policy 'all' in vhost '/': it was left out, for it has nothing but federation-upstream-set: there is no federation",
                "policy 'both' in vhost '/': federation-upstream was left out: there is no federation",
                "exchange 'link' in vhost '/' was left out with its bindings (2): it belongs to federation, which is not there",
                "queue 'of link' in vhost '/' was left out with its bindings (1): it belongs to federation, which is not there",
                "parameter 'up' of federation-upstream in vhost '/' is kept, without effect: there is no federation",
                "parameter 'move' of shovel in vhost '/' is kept, without effect: there is no shovel",
            ]
        );
        let names: Vec<_> = definitions.policies.iter().map(|p| &*p.name).collect();
        assert_eq!(names, ["both", "plain"]);
        assert_eq!(definitions.policies[0].definition.len(), 1);
        let names: Vec<_> = definitions.exchanges.iter().map(|x| &*x.name).collect();
        assert_eq!(names, ["x"]);
        let names: Vec<_> = definitions.queues.iter().map(|q| &*q.name).collect();
        assert_eq!(names, ["link"]);
        // A queue may have the name of an exchange.
        assert_eq!(definitions.bindings.len(), 1);
        assert!(definitions.bindings[0].is_to_queue());
        assert_eq!(definitions.parameters.len(), 3);
        // The rest needs nothing said.
        let mut rest = definitions.clone();
        rest.parameters.clear();
        assert_eq!(rest.remove_foreign(), [""; 0]);
    }
}
