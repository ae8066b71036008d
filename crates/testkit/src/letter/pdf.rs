//! A PDF of the size that hospital software makes: a page of text and a scanned image. It is
//! not PDF/A-1, which would have to embed its fonts.

use std::fmt::Write as _;

use super::Patient;

const WIDTH: usize = 440;
const HEIGHT: usize = 480;

/// One page, about 210 kB.
pub(super) fn document(patient: &Patient) -> Vec<u8> {
    let page = page(patient);
    let image = scan();
    let mut out = b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n".to_vec();
    let mut offsets = Vec::new();
    let streams: [(String, &[u8]); 6] = [
        ("<< /Type /Catalog /Pages 2 0 R >>".to_owned(), b""),
        ("<< /Type /Pages /Kids [3 0 R] /Count 1 >>".to_owned(), b""),
        (
            "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 5 0 R \
             /Resources << /Font << /F1 4 0 R >> /XObject << /Im1 6 0 R >> >> >>"
                .to_owned(),
            b"",
        ),
        ("<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>".to_owned(), b""),
        (format!("<< /Length {} >>", page.len()), page.as_bytes()),
        (
            format!(
                "<< /Type /XObject /Subtype /Image /Width {WIDTH} /Height {HEIGHT} /ColorSpace /DeviceGray \
                 /BitsPerComponent 8 /Length {} >>",
                image.len()
            ),
            &image,
        ),
    ];
    for (number, (dictionary, stream)) in streams.iter().enumerate() {
        offsets.push(out.len());
        out.extend_from_slice(format!("{} 0 obj\n{dictionary}\n", number + 1).as_bytes());
        if !stream.is_empty() {
            out.extend_from_slice(b"stream\n");
            out.extend_from_slice(stream);
            out.extend_from_slice(b"\nendstream\n");
        }
        out.extend_from_slice(b"endobj\n");
    }
    push_table(&mut out, &offsets);
    out
}

/// What is printed on the page; every text is a line of its own.
fn page(patient: &Patient) -> String {
    let lines = [
        "Lettre de liaison - sortie d'hospitalisation (document fictif)".to_owned(),
        format!("Patient : {} {}, INS {}", patient.family, patient.given, patient.ins),
        "Traitement de sortie : voir le document structure joint.".to_owned(),
    ];
    let shown = lines.map(|line| format!("({line}) Tj T*\n")).concat();
    format!("BT /F1 11 Tf 16 TL 50 780 Td\n{shown}ET\nq 440 0 0 480 50 180 cm /Im1 Do Q\n")
}

/// A scan compresses badly.
fn scan() -> Vec<u8> {
    noise().take(WIDTH * HEIGHT).collect()
}

/// Grey noise, the same every time.
pub(super) fn noise() -> impl Iterator<Item = u8> {
    let mut state = 0x2545_F491_u32;
    std::iter::repeat_with(move || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state.to_le_bytes()[0]
    })
}

/// Cross-references and trailer.
fn push_table(out: &mut Vec<u8>, offsets: &[usize]) {
    let start = out.len();
    let mut table = format!("xref\n0 {}\n0000000000 65535 f \n", offsets.len() + 1);
    for offset in offsets {
        let _ = writeln!(table, "{offset:010} 00000 n ");
    }
    let _ = write!(table, "trailer\n<< /Size {} /Root 1 0 R >>\nstartxref\n{start}\n%%EOF\n", offsets.len() + 1);
    out.extend_from_slice(table.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_points_at_the_objects() {
        let pdf = document(&Patient::fictitious());
        let text = String::from_utf8_lossy(&pdf[pdf.len() - 400..]).into_owned();
        let start: usize = text.split("startxref\n").nth(1).unwrap().split('\n').next().unwrap().parse().unwrap();
        assert!(pdf[start..].starts_with(b"xref\n0 7\n"));
        let sixth = String::from_utf8_lossy(&pdf[start..]).lines().nth(8).unwrap()[..10].parse::<usize>().unwrap();
        assert!(pdf[sixth..].starts_with(b"6 0 obj\n"));
    }
}
