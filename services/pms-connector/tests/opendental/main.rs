//! The Open Dental connector against real servers: each test on MariaDB and on each MySQL that is installed.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

/// Makes tests of functions that take the kind of server: `on_each_server!(name, other_name);`. A MySQL that is not
/// installed is left out; `tests/run` says so.
macro_rules! on_each_server {
    ($($name:ident),+ $(,)?) => {
        on_each_server!(@brand mariadb MariaDb: $($name)+);
        on_each_server!(@brand mysql_5_7 MySql57: $($name)+);
        on_each_server!(@brand mysql_8_0 MySql80: $($name)+);
    };
    (@brand $module:ident $brand:ident: $($name:ident)+) => {
        mod $module {
            $(
                #[tokio::test(flavor = "multi_thread")]
                async fn $name() {
                    let brand = test_servers::Brand::$brand;
                    if brand.is_installed() {
                        super::$name(brand).await;
                    } else {
                        println!("LEFT OUT: {brand:?} is not installed");
                    }
                }
            )+
        }
    };
}

mod changed;
mod changes;
mod describe;
mod practice;
mod random_histories;
mod reading;
mod refusals;
mod restores;
mod speed;
