//! Collections Board.

use chairsync_proto::analytics::{
    Aging, ClaimsAging, CollectionsSummary, GetCollectionsBoardResponse, PaymentTimeliness, Receivables,
};
use jiff::Timestamp;

use super::{foot, head, pairs, part, performance::tiles};
use crate::render::{
    count,
    figures::{money, money_ratio, range},
    printable,
    table::table_of_figures,
    time::NONE,
};

/// Families in credit that are listed.
const CREDITS_SHOWN: usize = 10;

/// The board, part by part.
pub fn lines(board: &GetCollectionsBoardResponse, now: Timestamp) -> Vec<String> {
    let mut lines = head("Collections Board", &range(board.range.as_ref()), board.freshness.as_ref(), now);
    if let Some(summary) = &board.collections {
        part(&mut lines, "collections", collections(summary));
    }
    let days = [("patients", &board.patient_timeliness), ("insurances", &board.insurance_timeliness)];
    for (who, money) in days {
        if let Some(money) = money {
            part(&mut lines, &format!("days from service to payment, {who}"), timeliness(money));
        }
    }
    if let Some(owed) = &board.receivables {
        part(&mut lines, "accounts receivable", receivables(owed));
    }
    if let Some(claims) = &board.claims_aging {
        part(&mut lines, "claims", self::claims(claims));
    }
    let adjustments: Vec<[String; 3]> =
        board.adjustments.iter().map(|a| [printable(&a.r#type), count(a.count), money(a.amount.as_ref())]).collect();
    if !adjustments.is_empty() {
        part(&mut lines, "adjustments", table_of_figures(["TYPE", "COUNT", "AMOUNT"], &adjustments));
    }
    let referrals: Vec<[String; 3]> = board
        .referrals
        .iter()
        .map(|r| [printable(&r.display_name), count(r.patients), money(r.collections.as_ref())])
        .collect();
    if !referrals.is_empty() {
        part(&mut lines, "by referral", table_of_figures(["REFERRAL", "PATIENTS", "COLLECTIONS"], &referrals));
    }
    part(&mut lines, "tiles", tiles(&board.tiles));
    foot(&mut lines, &board.absent_sections, &board.preferences);
    lines
}

fn collections(summary: &CollectionsSummary) -> Vec<String> {
    pairs([
        ("collections", money(summary.collections.as_ref())),
        ("  from patients", money(summary.patient_collections.as_ref())),
        ("  from insurances", money(summary.insurance_collections.as_ref())),
        ("unearned", money(summary.unearned.as_ref())),
        ("of net production", money_ratio(summary.collection_pct_net.as_ref())),
        ("of gross production", money_ratio(summary.collection_pct_gross.as_ref())),
        ("over the counter", money_ratio(summary.otc_rate.as_ref())),
    ])
}

fn days(from: Option<i32>, to: Option<i32>) -> String {
    match (from, to) {
        (None, Some(to)) => format!("up to {to}"),
        (Some(from), None) => format!("from {from}"),
        (Some(from), Some(to)) => format!("{from} to {to}"),
        (None, None) => "all".to_owned(),
    }
}

fn timeliness(money_by_days: &PaymentTimeliness) -> Vec<String> {
    let rows: Vec<[String; 3]> = money_by_days
        .buckets
        .iter()
        .map(|b| [days(b.from_days, b.to_days), money(b.amount.as_ref()), money_ratio(b.share.as_ref())])
        .collect();
    let mut lines = table_of_figures(["DAYS", "AMOUNT", "SHARE"], &rows);
    let mean = money_by_days.mean_days.map_or_else(|| NONE.to_owned(), |mean| format!("{mean:.1} days"));
    lines.push(format!("mean {mean}; of no procedure {}", money(money_by_days.unallocated.as_ref())));
    lines
}

fn receivables(owed: &Receivables) -> Vec<String> {
    let aging = owed.aging.clone().unwrap_or_default();
    let mut lines = buckets(&aging);
    lines.extend(pairs([
        ("insurance estimate", money(owed.est_insurance.as_ref())),
        ("patients' part", money(owed.est_patient.as_ref())),
        ("past due", format!("{} of {} accounts", money(owed.past_due.as_ref()), count(owed.accounts_past_due))),
        ("accounts that owe", count(owed.accounts_owing)),
        ("credit balances", money(owed.credit_balances.as_ref())),
        ("A/R days", owed.ar_days.map_or_else(|| NONE.to_owned(), |days| format!("{days:.1}"))),
    ]));
    let credits = owed.credit_accounts.iter().take(CREDITS_SHOWN).map(|credit| {
        let who = credit.guarantor.as_ref().map(|who| printable(&who.display_name)).unwrap_or_default();
        [who, money(credit.balance.as_ref())]
    });
    let credits: Vec<[String; 2]> = credits.collect();
    if !credits.is_empty() {
        lines.extend(table_of_figures(["IN CREDIT", "BALANCE"], &credits));
    }
    lines
}

fn buckets(aging: &Aging) -> Vec<String> {
    let row = [
        money(aging.bucket_0_30.as_ref()),
        money(aging.bucket_31_60.as_ref()),
        money(aging.bucket_61_90.as_ref()),
        money(aging.bucket_over_90.as_ref()),
        money(aging.total.as_ref()),
    ];
    table_of_figures(["0-30", "31-60", "61-90", "OVER 90", "TOTAL"], &[row])
}

fn claims(aging: &ClaimsAging) -> Vec<String> {
    let all = aging.sent.iter().map(|bucket| (days(bucket.from_days, bucket.to_days), bucket));
    let total = aging.sent_total.iter().map(|bucket| ("all sent".to_owned(), bucket));
    let unsent = aging.unsent.iter().map(|bucket| ("not sent".to_owned(), bucket));
    let rows: Vec<[String; 4]> = all
        .chain(total)
        .chain(unsent)
        .map(|(name, b)| [name, count(b.count), money(b.fee.as_ref()), money(b.est_insurance.as_ref())])
        .collect();
    table_of_figures(["DAYS", "CLAIMS", "FEES", "ESTIMATE"], &rows)
}
