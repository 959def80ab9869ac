//! For random policies and requests, `explain`, the plan and the gate agree, and limits hold.

use proptest::prelude::*;
use recipes::arbitrary;
use recipes::model::Model;
use recipes::world::World;

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn the_gate_does_what_explain_says(recipe in arbitrary::recipes(40)) {
        let mut model = Model::new(&recipe).map_err(TestCaseError::fail)?;
        let mut world = World::new(&recipe).map_err(TestCaseError::fail)?;
        for (at, step) in recipe.steps.iter().enumerate() {
            let predicted = model.predict(&step.send);
            let outcome = world.send(&step.send).map_err(TestCaseError::fail)?;
            let difference = predicted.difference(&outcome);
            prop_assert_eq!(difference, None, "request {}: {:?}", at, step.send);
        }
    }
}
