//! What the user may do, by rights of his own and by those of his roles.

use mesh::Refusal;
use mysql_async::prelude::Queryable as _;

use super::super::{
    faults::within,
    session::{ANSWER_LIMIT, Session},
    tables::quoted,
};

/// Grants that change data or its shape.
const WRITES: [&str; 10] =
    ["INSERT", "UPDATE", "DELETE", "CREATE", "DROP", "ALTER", "TRIGGER", "DELETE HISTORY", "INDEX", "SUPER"];
/// Roles that are looked into.
const ROLES_LIMIT: usize = 32;

/// A user's grants.
#[derive(Debug)]
pub(super) struct Grants {
    /// What holds in our sessions.
    in_force: Vec<String>,
    /// What the user could have: by each role too, in force or not. As the server words it, without passwords.
    pub all: Vec<String>,
    /// Roles that could not be looked into.
    pub unseen: Vec<String>,
}

impl Grants {
    /// Asks for the grants. Roles are put on to see what they give: the session is not what it was after this and is to
    /// be closed when there are any.
    ///
    /// # Errors
    /// What [`within`] says.
    pub(super) async fn load(session: &mut Session) -> Result<Self, Refusal> {
        let in_force = shown(session).await?;
        let mut all = in_force.clone();
        let mut unseen = Vec::new();
        let roles: Vec<String> = in_force.iter().flat_map(|grant| roles(grant)).collect();
        // MariaDB wears one role at a time, MySQL all of them together.
        let wearing: Vec<(String, String)> = match session.version.contains("MariaDB") {
            true => roles.iter().take(ROLES_LIMIT).map(|role| (role.clone(), quoted(role))).collect(),
            false if roles.is_empty() => Vec::new(),
            false => vec![(roles.join(", "), "ALL".to_owned())],
        };
        for (name, role) in wearing {
            match tokio::time::timeout(ANSWER_LIMIT, session.conn.query_drop(format!("SET ROLE {role}"))).await {
                Ok(Ok(())) => {
                    for grant in shown(session).await? {
                        if !all.contains(&grant) {
                            all.push(grant);
                        }
                    }
                }
                Ok(Err(mysql_async::Error::Server(_))) => unseen.push(name),
                Ok(Err(error)) => return Err(super::super::faults::refusal(error)),
                Err(_) => return Err(super::super::faults::timeout("the PMS's server took too long to set a role")),
            }
        }
        unseen.extend(roles.into_iter().skip(ROLES_LIMIT));
        Ok(Self { in_force, all, unseen })
    }

    /// Whether the user has roles.
    pub(super) fn has_roles(&self) -> bool {
        self.in_force.iter().any(|grant| !roles(grant).is_empty())
    }

    /// Whether a right on the whole server holds in our sessions.
    pub(super) fn hold(&self, right: &str) -> bool {
        let everywhere = self.in_force.iter().filter(|grant| grant.contains(" ON *.* TO "));
        everywhere.flat_map(|grant| rights(grant)).any(|held| held == right || held.starts_with("ALL"))
    }

    /// Whether the user may write to a database, or could by putting on a role.
    pub(super) fn may_write(&self, database: &str) -> bool {
        let writes = |held: &str| held.starts_with("ALL") || WRITES.contains(&held);
        self.all.iter().any(|grant| reaches(grant, database) && rights(grant).any(writes))
    }
}

async fn shown(session: &mut Session) -> Result<Vec<String>, Refusal> {
    let query = session.conn.query::<String, _>("SHOW GRANTS");
    Ok(within(ANSWER_LIMIT, query).await?.iter().map(|grant| without_password(grant)).collect())
}

/// A grant up to where the server says how the user proves itself.
fn without_password(grant: &str) -> String {
    match grant.split_once(" IDENTIFIED ") {
        None => grant.to_owned(),
        Some((rights, proof)) if proof.ends_with("WITH GRANT OPTION") => format!("{rights} WITH GRANT OPTION"),
        Some((rights, _)) => rights.to_owned(),
    }
}

/// The rights that a grant gives on something, without the columns that they may be limited to.
fn rights(grant: &str) -> impl Iterator<Item = &str> {
    let rights = grant.strip_prefix("GRANT ").and_then(|rest| rest.split_once(" ON ")).map_or("", |(rights, _)| rights);
    // `UPDATE (a, b), SELECT`: what is in parentheses is no right.
    let mut depth = 0_usize;
    let parts = rights.split(move |c: char| {
        match c {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            _ => {}
        }
        c == ',' && depth == 0
    });
    parts.map(|right| right.split('(').next().unwrap_or(right).trim()).filter(|right| !right.is_empty())
}

/// The roles that a grant gives: `` GRANT `a`@`%`,`b`@`%` TO `user`@`%` ``.
fn roles(grant: &str) -> Vec<String> {
    let Some(rest) = grant.strip_prefix("GRANT ").filter(|rest| !rest.contains(" ON ")) else { return Vec::new() };
    let Some((given, _)) = rest.rsplit_once(" TO ") else { return Vec::new() };
    let name = |role: &str| role.split('@').next().unwrap_or_default().trim_matches(['`', '\'', '"', ' ']).to_owned();
    given.split(',').map(name).filter(|name| !name.is_empty()).collect()
}

/// Whether what a grant is on lies in a database: `` *.* ``, `` `practice`.* ``, `` `prac%`.* `` or `` `practice`.`t` ``.
fn reaches(grant: &str, database: &str) -> bool {
    let Some((_, on)) = grant.split_once(" ON ") else { return false };
    let target = on.rsplit_once(" TO ").map_or(on, |(target, _)| target);
    if target.starts_with("*.*") {
        return true;
    }
    let Some((pattern, _)) = target.strip_prefix('`').and_then(|rest| rest.split_once('`')) else { return true };
    let fold = |text: &str| text.to_lowercase().chars().collect::<Vec<_>>();
    like(&fold(pattern), &fold(database))
}

/// `LIKE`, as grants on databases use it.
fn like(pattern: &[char], text: &[char]) -> bool {
    match pattern {
        [] => text.is_empty(),
        ['\\', escaped, rest @ ..] => text.first() == Some(escaped) && like(rest, &text[1..]),
        ['%', rest @ ..] => (0..=text.len()).any(|skipped| like(rest, &text[skipped..])),
        ['_', rest @ ..] => !text.is_empty() && like(rest, &text[1..]),
        [same, rest @ ..] => text.first() == Some(same) && like(rest, &text[1..]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grants(lines: &[&str]) -> Grants {
        let all: Vec<String> = lines.iter().map(|line| without_password(line)).collect();
        Grants { in_force: all.clone(), all, unseen: Vec::new() }
    }

    #[test]
    fn grants_show_rights_and_no_passwords() {
        let held = grants(&[
            "GRANT SELECT, PROCESS ON *.* TO `reader`@`%` IDENTIFIED BY PASSWORD '*0123456789ABCDEF'",
            "GRANT SELECT ON `practice`.* TO `reader`@`%` WITH GRANT OPTION",
            "GRANT USAGE ON *.* TO `x`@`%` IDENTIFIED VIA ed25519 USING 'secret' WITH GRANT OPTION",
        ]);
        assert!(held.all.iter().all(|g| !g.contains("0123") && !g.contains("secret")), "{held:?}");
        assert!(held.all[2].ends_with("WITH GRANT OPTION"));
        assert!(held.hold("PROCESS") && !held.hold("INSERT") && !held.may_write("practice"));
        assert!(!grants(&["GRANT ALL PRIVILEGES ON `practice`.* TO `w`@`%`"]).hold("PROCESS"));
    }

    #[test]
    fn a_write_grant_counts_where_it_reaches_the_database() {
        for (grant, writes) in [
            ("GRANT ALL PRIVILEGES ON `practice`.* TO `w`@`%`", true),
            ("GRANT ALL PRIVILEGES ON `other`.* TO `w`@`%`", false),
            ("GRANT SELECT, DELETE ON *.* TO 'w'@'%'", true),
            ("GRANT SELECT, DELETE ON `prac%`.* TO 'w'@'%'", true),
            ("GRANT DELETE ON `pr\\_ctice`.* TO 'w'@'%'", false),
            ("GRANT SELECT (a, b), UPDATE (`c`, `d`) ON `practice`.`patient` TO `w`@`%`", true),
            ("GRANT SELECT (`INSERT`, `DELETE`) ON `practice`.`patient` TO `w`@`%`", false),
            ("GRANT UPDATE ON `practice`.`patient` TO PUBLIC", true),
            ("GRANT `writer` TO `w`@`%`", false),
            ("GRANT USAGE ON *.* TO `w`@`%`", false),
        ] {
            assert_eq!(grants(&[grant]).may_write("practice"), writes, "{grant}");
        }
    }

    #[test]
    fn roles_are_read_off_their_grants() {
        assert_eq!(roles("GRANT `writer` TO `r`@`%`"), ["writer"]);
        assert_eq!(roles("GRANT `a`@`%`,`b`@`10.%` TO `r`@`%` WITH ADMIN OPTION"), ["a", "b"]);
        assert_eq!(roles("GRANT writer TO 'r'@'%'"), ["writer"]);
        assert!(roles("GRANT SELECT ON *.* TO `r`@`%`").is_empty());
        assert!(roles("SET DEFAULT ROLE `writer` FOR `r`@`%`").is_empty());
    }
}
