//! Phone numbers as people write them.

/// Countries and forms, equally frequent; each `#` stands for a digit.
const SHAPES: [(&str, &str); 24] = [
    ("Germany", "0151 2#######"),
    ("Germany", "030/4#######"),
    ("Germany", "+49 (0)171 4######"),
    ("Germany", "0049 89 2#######"),
    ("Germany", "+4917#########"),
    ("Austria", "0664 4######"),
    ("Austria", "+43 1 5######"),
    ("Switzerland", "079 6## ## ##"),
    ("Switzerland", "+41 44 6## ## ##"),
    ("United Kingdom", "020 7### ####"),
    ("United Kingdom", "+44 7911 12####"),
    ("United Kingdom", "(0161) 496 0###"),
    ("United States", "(415) 555-####"),
    ("United States", "212-736-####"),
    ("United States", "+1 650 253 ####"),
    ("United States", "1 (312) 644-#### x12"),
    ("France", "06 12 ## ## ##"),
    ("France", "+33 1 42 ## ## ##"),
    ("Netherlands", "06-2#######"),
    ("Netherlands", "+31 20 6######"),
    ("Italy", "347 6######"),
    ("Italy", "+39 06 698#####"),
    ("Brazil", "(11) 97###-####"),
    ("India", "098765 #####"),
];

/// The country and number of a contact.
pub fn of(id: u64) -> (&'static str, String) {
    let (country, shape) = SHAPES[usize::try_from(id).unwrap_or_default() % SHAPES.len()];
    let mut random = id;
    let mut digit = || {
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        char::from(b'0' + u8::try_from((random >> 33) % 10).unwrap_or_default())
    };
    let number = shape.chars().map(|c| if c == '#' { digit() } else { c }).collect();
    (country, number)
}
