//! Which version the PMS is: some calls came late.

use mesh::Refusal;
use mysql_async::prelude::Queryable as _;

use super::{
    super::{
        faults::within,
        session::{ANSWER_LIMIT, Session},
    },
    rejected,
};

/// A version, e.g. 24.4.28.
type Version = [u32; 3];

/// Refuses a call that the PMS's version does not have; `what` is done by staff then.
///
/// # Errors
/// `WRITE_REJECTED`; as the database refuses.
pub(super) async fn at_least(session: &mut Session, needed: Version, what: &str) -> Result<(), Refusal> {
    const READ: &str = "SELECT ValueString FROM preference WHERE PrefName = 'DataBaseVersion'";
    let said: Option<String> = within(ANSWER_LIMIT, session.conn.query_first(READ)).await?;
    let version = said.as_deref().map_or([0; 3], parse);
    if version < needed {
        let [major, minor, build] = needed;
        return Err(rejected(format!(
            "the PMS's API does this from version {major}.{minor}.{build} on and is older: staff must {what}"
        )));
    }
    Ok(())
}

fn parse(said: &str) -> Version {
    let mut version = [0; 3];
    for (place, part) in version.iter_mut().zip(said.split('.')) {
        *place = part.parse().unwrap_or_default();
    }
    version
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_by_their_numbers() {
        assert_eq!(parse("24.3.10.0"), [24, 3, 10]);
        assert!(parse("24.4.28.0") >= [24, 4, 28] && parse("24.10.1.0") > [24, 4, 28] && parse("") < [21, 1, 0]);
    }
}
