//! The names of a request's properties in expressions.

/// The longest path to a claim or metadata field.
const MAX_PATH: usize = 8;

/// A property of a request, by its path: `["claims", "tier"]`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Name {
    /// The kind of property.
    pub(crate) kind: Kind,
    /// The names after the kind's own: the header's, the claim's and so on.
    pub(crate) path: Vec<String>,
}

/// A kind of property, and its fixed names in an expression.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// `request.method`
    Method,
    /// `request.path`, normalized as for rules.
    Path,
    /// `request.host`, in lowercase and without its port.
    Host,
    /// `request.headers[name]`
    Header,
    /// `request.query[name]`
    Query,
    /// `request.cookies[name]`
    Cookie,
    /// `source.address`, without the port.
    Address,
    /// `authenticated`
    Authenticated,
    /// `claims.name`, or a path to a nested claim.
    Claim,
    /// `route.name`
    RouteName,
    /// `route.metadata[namespace].name`
    RouteMetadata,
    /// `metadata[namespace].name`, set by other filters.
    Metadata,
}

#[cfg_attr(not(feature = "cel"), expect(dead_code, reason = "only expressions use it"))]
impl Kind {
    /// All kinds.
    pub(super) const ALL: [Self; 12] = [
        Self::Method,
        Self::Path,
        Self::Host,
        Self::Header,
        Self::Query,
        Self::Cookie,
        Self::Address,
        Self::Authenticated,
        Self::Claim,
        Self::RouteName,
        Self::RouteMetadata,
        Self::Metadata,
    ];

    /// Returns the fixed names.
    pub(super) const fn fixed(self) -> &'static [&'static str] {
        match self {
            Self::Method => &["request", "method"],
            Self::Path => &["request", "path"],
            Self::Host => &["request", "host"],
            Self::Header => &["request", "headers"],
            Self::Query => &["request", "query"],
            Self::Cookie => &["request", "cookies"],
            Self::Address => &["source", "address"],
            Self::Authenticated => &["authenticated"],
            Self::Claim => &["claims"],
            Self::RouteName => &["route", "name"],
            Self::RouteMetadata => &["route", "metadata"],
            Self::Metadata => &["metadata"],
        }
    }

    /// Returns the least and the most names that follow.
    pub(super) const fn follow(self) -> (usize, usize) {
        match self {
            Self::Method
            | Self::Path
            | Self::Host
            | Self::Address
            | Self::Authenticated
            | Self::RouteName => (0, 0),
            Self::Header | Self::Query | Self::Cookie => (1, 1),
            Self::Claim => (1, MAX_PATH),
            Self::RouteMetadata | Self::Metadata => (2, MAX_PATH),
        }
    }
}
