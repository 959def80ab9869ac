use super::*;
use crate::gate::tests::{Process, charge_of};
use crate::ledger::{Method, Terms};
use crate::origin::Origin;
use crate::quota::{Limit, SlidingWindow, WindowMs};

const NOW_MS: u64 = 1_790_000_000_000;
/// The most counters of a page.
const PLACES: usize = 32;

/// Returns a charge of 1 against `limit` per minute, for a payer called `name` in one network.
fn claim(name: &str, limit: u64) -> Claim {
    let planned = charge_of(name, limit);
    let limit = Limit::clamped(limit);
    let window_ms = WindowMs::clamped(60_000);
    Claim {
        charge: Charge {
            counter: planned.counter,
            cost: planned.cost,
            enforce: true,
            terms: Terms::limited(Method::SlidingWindow(SlidingWindow { limit, window_ms })),
            lease: None,
            block: None,
        },
        origin: Origin::UNKNOWN,
        is_optional: false,
    }
}

/// Returns which of the claims are admitted; `None` for one that is not counted.
fn admits(process: &Process, claims: &[Claim]) -> Vec<Option<bool>> {
    let outcomes = decide(NOW_MS, process, claims).unwrap().outcomes;
    outcomes.iter().map(|outcome| outcome.map(|one| one.admitted)).collect()
}

fn admits_one(process: &Process, claim: &Claim) -> Option<bool> {
    admits(process, std::slice::from_ref(claim)).remove(0)
}

/// Returns the remaining capacity of a claim's counter.
fn left(process: &Process, claim: &Claim) -> u64 {
    peek_all(NOW_MS, process, std::slice::from_ref(claim)).remove(0).unwrap().remaining
}

/// Returns claims of different payers that share the page of `first`.
fn in_page_of(first: &Claim) -> impl Iterator<Item = Claim> {
    let page = page_of(&first.charge);
    (0..).map(|at| claim(&format!("k{at}"), 1)).filter(move |one| page_of(&one.charge) == page)
}

fn prepared() -> Process {
    let process = Process::default();
    prepare(&process);
    process
}

fn two_pages() -> (Claim, Claim) {
    let first = claim("a", 2);
    let mut others = (0..).map(|at| claim(&format!("k{at}"), 1));
    let second = others.find(|other| page_of(&other.charge) != page_of(&first.charge)).unwrap();
    (first, second)
}

#[test]
fn workers_share_their_counters() {
    let process = prepared();
    let first = claim("a", 2);
    let admitted: Vec<_> = (0..3).filter_map(|_| admits_one(&process, &first)).collect();
    assert_eq!(admitted, [true, true, false]);
    prepare(&process);
    assert_eq!(left(&process, &first), 0, "preparing again keeps the counters");
}

#[test]
fn a_denial_in_one_page_charges_nothing_in_the_others() {
    let process = prepared();
    let (first, second) = two_pages();
    let both = [first.clone(), second.clone()];
    assert_eq!(admits(&process, &both), [Some(true), Some(true)]);
    assert_eq!(admits(&process, &both), [Some(true), Some(false)]);
    assert_eq!((left(&process, &first), left(&process, &second)), (1, 0));
}

/// A process in which another worker charges a claim just before its page is read the second time.
struct Rival<'a> {
    process: Process,
    charges: &'a Claim,
    reads: std::cell::Cell<u32>,
}

impl SharedData for Rival<'_> {
    fn read(&self, name: &str) -> Option<(Vec<u8>, u32)> {
        if name == super::name(page_of(&self.charges.charge)) {
            if self.reads.get() == 1 {
                admits_one(&self.process, self.charges);
            }
            self.reads.set(self.reads.get() + 1);
        }
        self.process.read(name)
    }

    fn write(&self, name: &str, value: &[u8], version: Option<u32>) -> bool {
        self.process.write(name, value, version)
    }
}

/// Another worker takes the last of a counter after it was looked at.
#[test]
fn a_charge_is_given_back_if_a_later_page_is_used_up_meanwhile() {
    let first = claim("a", 2);
    // Pages are charged in their order.
    let mut others = (0..).map(|at| claim(&format!("k{at}"), 1));
    let last = others.find(|one| page_of(&one.charge) > page_of(&first.charge)).unwrap();
    let rival = Rival { process: prepared(), charges: &last, reads: 0.into() };
    let decided = decide(NOW_MS, &rival, &[first.clone(), last.clone()]).unwrap();
    let admitted: Vec<_> = decided.outcomes.iter().map(|one| one.unwrap().admitted).collect();
    assert_eq!((decided.admitted, admitted), (false, vec![true, false]));
    let (stored, _) = read(&rival.process, page_of(&first.charge));
    assert_eq!(
        stored,
        Page::default().to_bytes(),
        "a counter in which nothing counts takes no place"
    );
}

#[test]
fn a_change_that_loses_a_race_is_retried() {
    let process = prepared();
    let first = claim("a", 5);
    process.lose_races(3);
    assert_eq!(admits_one(&process, &first), Some(true));
    assert_eq!(left(&process, &first), 4);
    process.lose_races(MAX_TRIES);
    let own = std::slice::from_ref(&first);
    assert_eq!(decide(NOW_MS, &process, own), Err(NoPlace { claim: 0 }));
    process.lose_races(MAX_TRIES);
    assert_eq!(admits_one(&process, &Claim { is_optional: true, ..first }), None);
}

#[test]
fn a_full_page_keeps_its_counters_and_names_the_claim_without_a_place() {
    let process = prepared();
    let (first, elsewhere) = two_pages();
    let own: Vec<Claim> = in_page_of(&first).take(PLACES + 1).collect();
    let (over, fitting) = own.split_last().unwrap();
    assert!(fitting.iter().all(|key| admits_one(&process, key) == Some(true)));
    let claims = [elsewhere.clone(), over.clone()];
    assert_eq!(decide(NOW_MS, &process, &claims), Err(NoPlace { claim: 1 }));
    assert_eq!(left(&process, &elsewhere), 1, "given back");
    let optional = Claim { is_optional: true, ..over.clone() };
    assert_eq!(admits(&process, &[elsewhere, optional]), [Some(true), None]);
    assert!(fitting.iter().all(|key| admits_one(&process, key) == Some(false)));
    let later = decide(NOW_MS + 60_000, &process, std::slice::from_ref(over)).unwrap();
    assert!(later.admitted && later.evicted == 0);
}

#[test]
fn a_counter_that_gave_way_is_reported() {
    let process = prepared();
    let first = claim("a", 2);
    let own: Vec<Claim> = in_page_of(&first).take(PLACES + 1).collect();
    let (newcomer, fitting) = own.split_last().unwrap();
    assert!(fitting.iter().all(|key| admits_one(&process, key) == Some(true)));
    let newcomer = Claim { origin: Origin::of([192, 0, 2, 1].into()), ..newcomer.clone() };
    let decided = decide(NOW_MS, &process, &[newcomer]).unwrap();
    assert_eq!((decided.admitted, decided.evicted), (true, 1));
}

/// Measures a counter's size when its limit is used up, and checks the number of counters.
#[test]
fn the_table_size_is_bounded() {
    let bytes = |limit: u64| {
        let process = prepared();
        let counter = claim("a", limit);
        let page = name(page_of(&counter.charge));
        let empty = process.read(&page).unwrap().0.len();
        let own = std::slice::from_ref(&counter);
        let at = |n| NOW_MS + n * 59_000 / limit;
        let admitted = |n| decide(at(n), &process, own).unwrap().admitted;
        assert!((0..limit).all(admitted));
        assert!(!admitted(limit));
        process.read(&page).unwrap().0.len() - empty
    };
    assert_eq!(PAGES as usize * PLACES, 131_072);
    insta::assert_snapshot!([5, 10, 128, 5_000].map(bytes).map(|b| b.to_string()).join(" "), @"103 138 967 952");
}

#[test]
fn damaged_pages_count_as_empty() {
    let process = Process::default();
    let first = claim("a", 1);
    process.write(&name(page_of(&first.charge)), b"?", None);
    assert_eq!(admits_one(&process, &first), Some(true));
    assert_eq!(admits_one(&process, &first), Some(false));
}
