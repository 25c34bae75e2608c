//! Procedure codes: public CDT code numbers with short descriptions of our own, and custom codes as practices invent
//! them.

/// What area a code is charted on, as Open Dental numbers it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Area {
    Surface = 1,
    Tooth = 2,
    Mouth = 3,
    Quadrant = 4,
    Range = 7,
}

/// A procedure code.
pub(crate) struct Code {
    /// The code itself.
    pub code: &'static str,
    /// Our description.
    pub text: &'static str,
    /// The usual fee in cents.
    pub cents: i64,
    /// Where it is charted.
    pub area: Area,
    /// 0 exams and images, 1 hygiene, 2 fillings, 3 crowns, 4 roots, 5 gums, 6 dentures, 7 surgery, 8 other, 9 custom.
    pub group: i64,
}

const fn code(code: &'static str, text: &'static str, cents: i64, area: Area, group: i64) -> Code {
    Code { code, text, cents, area, group }
}

use Area::{Mouth, Quadrant, Range, Surface, Tooth};

/// Every code; a code's number in the database is its place here, see [`number`].
pub(crate) const CODES: [Code; 66] = [
    code("D0120", "exam, regular", 6_200, Mouth, 0),
    code("D0140", "exam, one problem", 8_900, Mouth, 0),
    code("D0145", "exam, under three", 7_100, Mouth, 0),
    code("D0150", "exam, new patient", 11_500, Mouth, 0),
    code("D0160", "exam, extensive", 16_000, Mouth, 0),
    code("D0170", "exam, follow-up", 7_400, Mouth, 0),
    code("D0180", "exam, gums", 12_300, Mouth, 0),
    code("D0210", "x-rays, whole mouth", 15_800, Mouth, 0),
    code("D0220", "x-ray, first", 3_400, Tooth, 0),
    code("D0230", "x-ray, further", 2_800, Tooth, 0),
    code("D0272", "bitewings, two", 5_100, Mouth, 0),
    code("D0274", "bitewings, four", 7_300, Mouth, 0),
    code("D0330", "x-ray, panorama", 13_200, Mouth, 0),
    code("D1110", "cleaning, adult", 10_900, Mouth, 1),
    code("D1120", "cleaning, child", 7_800, Mouth, 1),
    code("D1206", "fluoride varnish", 4_500, Mouth, 1),
    code("D1208", "fluoride", 3_900, Mouth, 1),
    code("D1310", "diet advice", 3_000, Mouth, 1),
    code("D1320", "tobacco advice", 3_000, Mouth, 1),
    code("D1330", "hygiene lesson", 4_100, Mouth, 1),
    code("D1351", "sealant", 6_100, Tooth, 1),
    code("D1353", "sealant, repair", 4_400, Tooth, 1),
    code("D2140", "amalgam, 1 surface", 16_300, Surface, 2),
    code("D2150", "amalgam, 2 surfaces", 20_400, Surface, 2),
    code("D2330", "resin front, 1 surface", 18_900, Surface, 2),
    code("D2331", "resin front, 2 surfaces", 23_100, Surface, 2),
    code("D2391", "resin back, 1 surface", 20_500, Surface, 2),
    code("D2392", "resin back, 2 surfaces", 26_400, Surface, 2),
    code("D2393", "resin back, 3 surfaces", 31_800, Surface, 2),
    code("D2740", "crown, ceramic", 132_500, Tooth, 3),
    code("D2750", "crown, metal core", 128_000, Tooth, 3),
    code("D2920", "crown, recement", 12_100, Tooth, 3),
    code("D2950", "core buildup", 30_700, Tooth, 3),
    code("D3220", "pulp, child", 23_300, Tooth, 4),
    code("D3310", "root canal, front", 92_000, Tooth, 4),
    code("D3320", "root canal, premolar", 104_500, Tooth, 4),
    code("D3330", "root canal, molar", 129_900, Tooth, 4),
    code("D4341", "deep cleaning, quadrant", 28_900, Quadrant, 5),
    code("D4342", "deep cleaning, few teeth", 19_700, Quadrant, 5),
    code("D4346", "cleaning, inflamed", 14_200, Mouth, 5),
    code("D4355", "debridement", 19_200, Mouth, 5),
    code("D4381", "local medicine", 9_800, Tooth, 5),
    code("D4910", "gum maintenance", 16_800, Mouth, 5),
    code("D4921", "rinse, quadrant", 5_200, Quadrant, 5),
    code("D5110", "denture, upper", 187_500, Range, 6),
    code("D5213", "partial, upper", 201_000, Range, 6),
    code("D6010", "implant", 218_000, Tooth, 6),
    code("D6058", "abutment crown", 168_333, Tooth, 6),
    code("D6080", "implant care", 14_500, Tooth, 6),
    code("D7140", "extraction", 21_900, Tooth, 7),
    code("D7210", "extraction, surgical", 33_400, Tooth, 7),
    code("D7240", "wisdom tooth", 48_800, Tooth, 7),
    code("D8080", "braces, adolescent", 540_000, Mouth, 8),
    code("D9110", "pain relief", 13_700, Mouth, 8),
    code("D9223", "deep sedation, 15 minutes", 21_200, Mouth, 8),
    code("D9230", "laughing gas", 7_500, Mouth, 8),
    code("D9944", "night guard", 61_000, Mouth, 8),
    code("D9972", "whitening", 35_000, Mouth, 8),
    code("D9973", "whitening, tooth", 12_000, Tooth, 8),
    code("D9975", "whitening kit", 24_900, Mouth, 8),
    code("D9986", "missed visit", 5_000, Mouth, 9),
    code("D9987", "cancelled visit", 0, Mouth, 9),
    code("ZNOTE", "chart note", 0, Mouth, 9),
    code("Z4000", "brush and paste", 1_850, Mouth, 9),
    code("D01X", "photo set", 0, Mouth, 9),
    code("ZLAB", "lab share", 5_000, Mouth, 9),
];

/// The place of a code in [`CODES`]; 0 for one that is not there, which a test excludes.
pub(crate) fn place(code: &str) -> usize {
    CODES.iter().position(|c| c.code == code).unwrap_or(0)
}

/// The number of the code at a place.
pub(crate) fn number(place: usize) -> i64 {
    // The numbers descend, as they do in a database whose list was imported twice.
    9_000 - 7 * i64::try_from(place).unwrap_or(0)
}

/// The place of the code with a number.
pub(crate) fn place_of(number: i64) -> usize {
    usize::try_from((9_000 - number) / 7).unwrap_or(0).min(CODES.len() - 1)
}

/// Work that is found at an exam and done later: each a set of codes.
pub(crate) const TREATMENTS: [&[&str]; 12] = [
    &["D2391"],
    &["D2392"],
    &["D2393"],
    &["D2330"],
    &["D2140"],
    &["D2740", "D2950"],
    &["D2750"],
    &["D3330", "D2950", "D2740"],
    &["D7140"],
    &["D7210", "D9223"],
    &["D4341", "D4342"],
    &["D9944"],
];
