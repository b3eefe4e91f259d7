//! Draws panels of points as an SVG: both axes logarithmic, a line with dots, the figures beside the dots. Measures nothing.

use std::fmt::Write as _;

const WIDTH: f64 = 420.0;
const HEIGHT: f64 = 260.0;
/// Around the axes: left, right, above, below.
const MARGIN: [f64; 4] = [52.0, 28.0, 34.0, 44.0];

/// One curve.
pub(crate) struct Panel {
    /// What grows.
    pub(crate) across: &'static str,
    /// What it costs.
    pub(crate) up: &'static str,
    pub(crate) points: Vec<(f64, f64)>,
}

impl Panel {
    pub(crate) fn new(across: &'static str, up: &'static str, points: &[(f64, f64)]) -> Panel {
        Panel {
            across,
            up,
            points: points.to_vec(),
        }
    }
}

/// All panels, two in a row.
pub(crate) fn svg(panels: &[Panel]) -> String {
    let rows = f64::from(u32::try_from(panels.len().div_ceil(2)).expect("a few"));
    let (width, height) = (2.0 * WIDTH, rows * HEIGHT);
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" height=\"{height}\" \
         font-family=\"sans-serif\" font-size=\"11\">\n<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n"
    );
    let places = (0..).flat_map(|row| [(0.0, row), (1.0, row)]);
    for (panel, (column, row)) in panels.iter().zip(places) {
        let (x, y) = (column * WIDTH, f64::from(row) * HEIGHT);
        writeln!(out, "<g transform=\"translate({x} {y})\">").expect(EVERYTHING);
        draw(panel, &mut out);
        out.push_str("</g>\n");
    }
    out + "</svg>\n"
}

const EVERYTHING: &str = "a String takes everything";

/// Powers of ten that enclose the values.
fn decades(values: impl Iterator<Item = f64> + Clone) -> (f64, f64) {
    let low = values.clone().fold(f64::INFINITY, f64::min).log10().floor();
    let high = values.fold(0.0, f64::max).log10().ceil();
    (low, high.max(low + 1.0))
}

fn draw(panel: &Panel, out: &mut String) {
    let [left, right, above, below] = MARGIN;
    let (wide, high) = (WIDTH - left - right, HEIGHT - above - below);
    let (x_low, x_high) = decades(panel.points.iter().map(|point| point.0));
    let (y_low, y_high) = decades(panel.points.iter().map(|point| point.1));
    let x = |value: f64| left + (value.log10() - x_low) / (x_high - x_low) * wide;
    let y = |value: f64| above + (y_high - value.log10()) / (y_high - y_low) * high;
    let (bottom, end) = (above + high, left + wide);
    for power in whole(x_low, x_high) {
        let at = x(10_f64.powi(power));
        let name = short(10_f64.powi(power));
        writeln!(
            out,
            "<path d=\"M{at:.1} {above}V{bottom}\" stroke=\"#ddd\"/><text x=\"{at:.1}\" y=\"{:.1}\" \
             text-anchor=\"middle\">{name}</text>",
            bottom + 15.0
        )
        .expect(EVERYTHING);
    }
    for power in whole(y_low, y_high) {
        let at = y(10_f64.powi(power));
        let name = short(10_f64.powi(power));
        writeln!(
            out,
            "<path d=\"M{left} {at:.1}H{end}\" stroke=\"#ddd\"/><text x=\"{:.1}\" y=\"{:.1}\" \
             text-anchor=\"end\">{name}</text>",
            left - 6.0,
            at + 4.0
        )
        .expect(EVERYTHING);
    }
    let line: Vec<String> = panel
        .points
        .iter()
        .map(|point| format!("{:.1},{:.1}", x(point.0), y(point.1)))
        .collect();
    writeln!(
        out,
        "<polyline points=\"{}\" fill=\"none\" stroke=\"#0a5\" stroke-width=\"2\"/>",
        line.join(" ")
    )
    .expect(EVERYTHING);
    for (value, cost) in &panel.points {
        let (cx, cy) = (x(*value), y(*cost));
        writeln!(
            out,
            "<circle cx=\"{cx:.1}\" cy=\"{cy:.1}\" r=\"3.5\" fill=\"#0a5\"/><text x=\"{cx:.1}\" y=\"{:.1}\" \
             text-anchor=\"middle\" fill=\"#063\">{}</text>",
            cy - 8.0,
            short(*cost)
        )
        .expect(EVERYTHING);
    }
    writeln!(
        out,
        "<text x=\"{left}\" y=\"{:.1}\" font-weight=\"bold\">{}</text><text x=\"{:.1}\" y=\"{:.1}\" \
         text-anchor=\"middle\">{}</text>",
        above - 16.0,
        panel.up,
        left + wide / 2.0,
        bottom + 34.0,
        panel.across
    )
    .expect(EVERYTHING);
}

fn whole(low: f64, high: f64) -> impl Iterator<Item = i32> {
    (-3..13).filter(move |power| (low..=high).contains(&f64::from(*power)))
}

/// Three digits and a letter.
fn short(value: f64) -> String {
    let (value, letter) = match value {
        1e9.. => (value / 1e9, "G"),
        1e6.. => (value / 1e6, "M"),
        1e4.. => (value / 1e3, "k"),
        _ => (value, ""),
    };
    let text = match value {
        100.0.. => format!("{value:.0}"),
        10.0.. => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    };
    let text = match text.split_once('.') {
        Some(_) => text.trim_end_matches('0').trim_end_matches('.'),
        None => &text,
    };
    format!("{text}{letter}")
}
