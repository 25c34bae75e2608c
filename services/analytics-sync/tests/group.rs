//! Promise: a board across practices shows each one's figures as its own scorecard has them, with its freshness; their
//! totals are sums, with ratios of sums; a practice whose data is not complete is named; too many are refused.
//! Method: three sample practices in three zones, one of which cannot be read yet.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "support/sample.rs"]
mod sample;

use chairsync_proto::{
    analytics::{analytics_service_client::AnalyticsServiceClient, metric_value::Value, *},
    practice::{OpenDentalSource, PmsSource, Practice, pms_source::Kind},
    sync::Completeness,
};
use mesh::{ErrorReason, error::reason_of, transport::Channel};
use sample::SampleMesh;
use tonic::{Code, Status};

const METRICS: [&str; 4] = ["gross_production", "new_patients", "hygiene_reappointment_pct", "dollars_per_exam"];

fn card() -> Scorecard {
    Scorecard {
        metrics: METRICS.map(str::to_owned).to_vec(),
        period: Some(ScorecardPeriod { kind: PeriodKind::LastMonth.into(), custom: None }),
        comparison: Some(ScorecardComparison { kind: ComparisonKind::Trailing.into(), periods: 2 }),
        ..Default::default()
    }
}

fn by_group() -> GetGroupBoardRequest {
    GetGroupBoardRequest {
        group: "family".into(),
        board: Board::Scorecard.into(),
        scorecard: Some(card()),
        ..Default::default()
    }
}

async fn ask(analytics: &Channel, request: GetGroupBoardRequest) -> Result<GetGroupBoardResponse, Status> {
    Ok(AnalyticsServiceClient::new(analytics.clone()).get_group_board(request).await?.into_inner())
}

/// What is above and below the line of a value: of an amount the amount, in cents.
fn parts(value: &MetricValue) -> (i128, i128) {
    let cents = |money: &chairsync_proto::google_type::Money| {
        i128::from(money.units) * 100 + i128::from(money.nanos / 10_000_000)
    };
    match value.value.as_ref().expect("a value") {
        Value::Money(money) => (cents(money), 0),
        Value::Count(count) => ((*count).into(), 0),
        Value::CountRatio(ratio) => (ratio.numerator.into(), ratio.denominator.into()),
        #[allow(clippy::cast_possible_truncation)] // exams are few
        Value::MoneyRate(rate) => (cents(rate.numerator.as_ref().unwrap()), rate.denominator as i128),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn practices_are_shown_side_by_side_and_together() {
    let mesh = SampleMesh::start();
    for (id, seed, zone) in [("east", 3, "America/New_York"), ("west", 4, "Pacific/Honolulu")] {
        let practice = Practice {
            group: "family".into(),
            display_name: format!("The {id} office"),
            currency_code: "USD".into(),
            ..sample::practice(seed, zone)
        };
        let run = mesh.register(id, practice).await;
        mesh.finished(run).await;
    }
    // Nobody answers at its PMS's address: it stays in its initial sync.
    let source = OpenDentalSource { uri: "mysql://reader@127.0.0.1:1/none".into(), ..Default::default() };
    let unread = Practice {
        group: "family".into(),
        time_zone: "Asia/Tokyo".into(),
        currency_code: "USD".into(),
        source: Some(PmsSource { kind: Some(Kind::OpenDental(source)) }),
        ..Default::default()
    };
    mesh.register("early", unread).await;

    let asked = async {
        loop {
            match ask(&mesh.analytics, by_group()).await {
                Ok(answer)
                    if answer.rows.iter().filter(|row| !row.cells.is_empty()).count() == 2
                        && answer.rows.len() == 3 =>
                {
                    return answer;
                }
                Ok(_) => {}
                // What is followed may be behind what was registered.
                Err(status) => assert_eq!(status.code(), Code::Unavailable, "{status:?}"),
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    let answer = tokio::time::timeout(sample::LIMIT, asked).await.expect("the group in time");
    let names: Vec<&str> = answer.rows.iter().map(|row| row.practice.as_str()).collect();
    assert_eq!(names, ["practices/early", "practices/east", "practices/west"]);
    let (early, read) = answer.rows.split_first().unwrap();
    assert_ne!(early.freshness.as_ref().unwrap().completeness(), Completeness::Complete);
    assert!(early.cells.is_empty() && !early.absent_sections[0].missing_datasets.is_empty());

    // Each row is what the practice's own scorecard has.
    for row in read {
        assert_eq!(row.freshness.as_ref().unwrap().completeness(), Completeness::Complete, "{}", row.practice);
        assert!(row.display_name.starts_with("The ") && row.date.is_some());
        let scorecard = Some(Scorecard { focus: Focus::Provider.into(), ..card() });
        let request = EvaluateScorecardRequest { practice: row.practice.clone(), scorecard };
        let own = AnalyticsServiceClient::new(mesh.analytics.clone()).evaluate_scorecard(request).await.unwrap();
        let own = own.into_inner().result.unwrap();
        assert_eq!(own.total.unwrap().cells, row.cells, "{}", row.practice);
        assert_eq!(own.periods, row.periods, "{}", row.practice);
    }

    // The total adds what is above and below each line; one practice's cent may be rounded.
    let [total] = answer.totals.as_slice() else { panic!("{} currencies", answer.totals.len()) };
    assert_eq!(total.practices, ["practices/east", "practices/west"]);
    assert_eq!(total.left_out, ["practices/early"]);
    let mut divided = 0;
    for (place, cell) in total.cells.iter().enumerate() {
        assert_eq!(cell.metric, METRICS[place]);
        for (period, value) in cell.values.iter().enumerate() {
            let of = |row: &GroupRow| parts(&row.cells[place].values[period]);
            let (a, b, sum) = (of(&read[0]), of(&read[1]), parts(value));
            assert!((sum.0 - a.0 - b.0).abs() <= 1, "{}: {a:?} and {b:?} are {sum:?}", cell.metric);
            assert_eq!(sum.1, a.1 + b.1, "{}", cell.metric);
            if let Some(Value::CountRatio(ratio)) = &value.value
                && ratio.denominator > 0
            {
                #[allow(clippy::cast_precision_loss)] // some hundred visits
                let exact = 100.0 * ratio.numerator as f64 / ratio.denominator as f64;
                assert!((ratio.value.unwrap() - exact).abs() <= 0.05 + 1e-9, "{ratio:?}");
                divided += 1;
            }
        }
    }
    assert!(divided > 0, "no ratio was compared");

    // The same by names, and a board's tiles.
    let named = |ids: &[&str]| GetGroupBoardRequest {
        group: String::new(),
        practices: ids.iter().map(|id| format!("practices/{id}")).collect(),
        ..by_group()
    };
    let again = ask(&mesh.analytics, named(&["west", "east"])).await.unwrap();
    assert_eq!(again.rows, [read[1].clone(), read[0].clone()]);
    assert_eq!(again.totals[0].cells, total.cells);
    for board in [Board::Performance, Board::Collections] {
        let request = GetGroupBoardRequest { board: board.into(), group: "family".into(), ..Default::default() };
        let board = ask(&mesh.analytics, request).await.unwrap();
        assert!(board.totals[0].cells.len() >= 6 && board.rows[1].cells.len() == board.totals[0].cells.len());
    }

    // And what is refused.
    let many: Vec<String> = (0..51).map(|n| format!("p{n}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let focused = Some(Scorecard { focus: Focus::Location.into(), ..card() });
    for (field, bad) in [
        ("practices", named(&[])),
        ("practices", named(&many)),
        ("practices[1]", named(&["east", "east"])),
        ("practices[0]", GetGroupBoardRequest { practices: vec!["east".into()], group: String::new(), ..by_group() }),
        ("group", GetGroupBoardRequest { practices: vec!["practices/east".into()], ..by_group() }),
        ("group", GetGroupBoardRequest { group: "nobody".into(), ..by_group() }),
        ("board", GetGroupBoardRequest { board: 0, ..by_group() }),
        ("scorecard.metrics", GetGroupBoardRequest { scorecard: Some(Scorecard::default()), ..by_group() }),
        ("scorecard.focus", GetGroupBoardRequest { scorecard: focused, ..by_group() }),
    ] {
        let refused = ask(&mesh.analytics, bad).await.unwrap_err();
        assert_eq!((refused.code(), reason_of(&refused)), (Code::InvalidArgument, Some(ErrorReason::InvalidField)));
        assert!(refused.message().contains(field), "{field}: {refused:?}");
    }
    let refused = ask(&mesh.analytics, named(&["nowhere"])).await.unwrap_err();
    assert_eq!(reason_of(&refused), Some(ErrorReason::PracticeNotFound));
    mesh.stop.cancel();
}
