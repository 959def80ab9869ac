//! The time zone and anchor of a calendar quota, and their checks.

use super::document::{CountingFields, Day, Setting};
use super::mistakes::Mistakes;
use super::sources::{self, Source};
use crate::quota::{Anchor, Period, TimeZone};

/// A value that is the same for every request, or is taken from the request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Choice<T> {
    /// The same value for every request.
    Fixed(T),
    /// A value taken from the request.
    From {
        /// The source of the value, as text.
        source: Source,
        /// The value if the request has none, or an invalid one.
        otherwise: T,
    },
}

/// Returns the time zone of the calendar at `place`.
pub(super) fn time_zone(
    fields: CountingFields<'_>,
    place: &str,
    mistakes: &mut Mistakes,
) -> Option<Choice<TimeZone>> {
    let parse = |name: &String| TimeZone::named(name).map_err(|error| error.to_string());
    chosen(fields.time_zone, &format!("{place}.time_zone"), parse, mistakes)
}

/// Returns the anchor of the calendar at `place` with periods `per`.
pub(super) fn anchor(
    fields: CountingFields<'_>,
    per: Period,
    place: &str,
    mistakes: &mut Mistakes,
) -> Option<Choice<Anchor>> {
    let parse = |day: &Day| Anchor::parse(per, &day.to_string()).map_err(|error| error.to_string());
    chosen(fields.anchor, &format!("{place}.anchor"), parse, mistakes)
}

fn chosen<D, T: Default>(
    setting: Option<&Setting<D>>,
    place: &str,
    parse: impl Fn(&D) -> Result<T, String>,
    mistakes: &mut Mistakes,
) -> Option<Choice<T>> {
    match setting {
        None => Some(Choice::Fixed(T::default())),
        Some(Setting::Fixed(value)) => {
            parse(value).map(Choice::Fixed).map_err(|error| mistakes.add(place, error)).ok()
        }
        Some(Setting::From(taken)) => {
            let otherwise = parse(&taken.otherwise);
            let otherwise =
                otherwise.map_err(|error| mistakes.add(format!("{place}.otherwise"), error)).ok();
            let source = sources::checked(&taken.from.0, &format!("{place}.from"), mistakes);
            Some(Choice::From { source: source?, otherwise: otherwise? })
        }
    }
}
