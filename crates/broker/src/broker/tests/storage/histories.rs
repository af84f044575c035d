//! Random histories.

use proptest::prelude::*;

use super::model::{Machine, steps};

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, max_shrink_iters: 4_000, ..ProptestConfig::default() })]

    /// See the module's parent; `PROPTEST_CASES` asks for more of it.
    #[test]
    fn whatever_happens_to_the_disk_what_was_confirmed_is_there(steps in steps(400)) {
        Machine::new().run(&steps);
    }
}
