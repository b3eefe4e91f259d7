//! Draws panels of curves as an SVG: both axes logarithmic, lines with dots, the figures beside the dots. Measures
//! nothing.

use std::fmt::Write as _;

use crate::axis::{Axis, short, whole};

/// One of the picture's parts.
pub(crate) struct Panel {
    /// What grows.
    pub(crate) across: &'static str,
    /// What it costs.
    pub(crate) up: &'static str,
    pub(crate) curves: Vec<Curve>,
}

/// One line of a panel.
pub(crate) struct Curve {
    pub(crate) name: String,
    pub(crate) points: Vec<Point>,
}

/// A measured point; both values are above zero.
pub(crate) struct Point {
    pub(crate) x: f64,
    /// As `x` is written, with its unit.
    pub(crate) label: String,
    pub(crate) y: f64,
}

/// A panel with everything around its axes, in pixels.
const WIDTH: f64 = 520.0;
const HEIGHT: f64 = 340.0;
/// What is around the axes.
const LEFT: f64 = 64.0;
const RIGHT: f64 = 36.0;
const ABOVE: f64 = 44.0;
const BELOW: f64 = 58.0;
/// Times the largest value that the axis reaches: the legend is above the curves.
const LEGEND_ROOM: f64 = 2.0;
/// By curve.
const COLOURS: [&str; 3] = ["#1a6faf", "#b8470e", "#2d7d3a"];
const TEXT: &str = "#222";
const GRID: &str = "#ddd";
const STRING: &str = "a String takes everything";

/// All panels, two in a row.
pub(crate) fn svg(panels: &[Panel]) -> String {
    let (width, mut height, mut x) = (2.0 * WIDTH, 0.0, 0.0);
    let mut parts = String::new();
    for panel in panels {
        let inside = draw(panel);
        writeln!(parts, "<g transform=\"translate({x} {height})\">\n{inside}</g>").expect(STRING);
        x += WIDTH;
        if x >= width {
            (x, height) = (0.0, height + HEIGHT);
        }
    }
    if x > 0.0 {
        height += HEIGHT;
    }
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" \
         height=\"{height}\" font-family=\"Helvetica, Arial, 'DejaVu Sans', sans-serif\" font-size=\"12\" \
         fill=\"{TEXT}\">\n<rect width=\"{width}\" height=\"{height}\" fill=\"#fff\"/>\n{parts}</svg>\n"
    )
}

/// Where things stand in a panel.
struct Places {
    across: Axis,
    up: Axis,
}

impl Places {
    fn x(&self, value: f64) -> f64 {
        LEFT + self.across.place(value) * (WIDTH - LEFT - RIGHT)
    }

    fn y(&self, value: f64) -> f64 {
        HEIGHT - BELOW - self.up.place(value) * (HEIGHT - ABOVE - BELOW)
    }
}

fn draw(panel: &Panel) -> String {
    let points = || panel.curves.iter().flat_map(|curve| &curve.points);
    let places = Places {
        across: Axis::around(points().map(|point| point.x), 1.0),
        up: Axis::around(points().map(|point| point.y), LEGEND_ROOM),
    };
    let mut out = grid(panel, &places);
    for ((curve, colour), n) in panel.curves.iter().zip(COLOURS).zip(0..) {
        draw_curve(curve, colour, &places, is_lowest(panel, n), &mut out);
    }
    if panel.curves.len() > 1 {
        legend(panel, &mut out);
    }
    out
}

/// Lines, the axes' figures and titles.
fn grid(panel: &Panel, places: &Places) -> String {
    let mut out = String::new();
    let (bottom, end) = (HEIGHT - BELOW, WIDTH - RIGHT);
    for value in places.up.ticks() {
        let y = places.y(value);
        writeln!(out, "<path d=\"M{LEFT} {y:.1}H{end}\" stroke=\"{GRID}\"/>").expect(STRING);
        text(&mut out, (LEFT - 8.0, y + 4.0), "end", TEXT, &whole(value));
    }
    for point in panel.curves.first().into_iter().flat_map(|curve| &curve.points) {
        let x = places.x(point.x);
        writeln!(out, "<path d=\"M{x:.1} {ABOVE}V{bottom}\" stroke=\"{GRID}\"/>").expect(STRING);
        text(&mut out, (x, bottom + 18.0), "middle", TEXT, &point.label);
    }
    writeln!(
        out,
        "<path d=\"M{LEFT} {ABOVE}V{bottom}H{end}\" stroke=\"#888\" fill=\"none\"/>"
    )
    .expect(STRING);
    let middle = (LEFT + end) / 2.0;
    text(&mut out, (middle, bottom + 40.0), "middle", TEXT, panel.across);
    out.push_str("<g font-weight=\"bold\">");
    text(&mut out, (12.0, ABOVE - 18.0), "start", TEXT, panel.up);
    out.push_str("</g>\n");
    out
}

fn draw_curve(curve: &Curve, colour: &str, places: &Places, is_below: bool, out: &mut String) {
    let at: Vec<String> = curve
        .points
        .iter()
        .map(|point| format!("{:.1},{:.1}", places.x(point.x), places.y(point.y)))
        .collect();
    writeln!(
        out,
        "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>",
        at.join(" ")
    )
    .expect(STRING);
    for point in &curve.points {
        let (x, y) = (places.x(point.x), places.y(point.y));
        writeln!(
            out,
            "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3.5\" fill=\"{colour}\"/>"
        )
        .expect(STRING);
        let beside = if is_below { y + 17.0 } else { y - 8.0 };
        text(out, (x, beside), "middle", colour, &short(point.y));
    }
}

/// Whether a panel's lowest curve is this one, at its first point: its figures stand below it, out of the others' way.
fn is_lowest(panel: &Panel, n: usize) -> bool {
    let first = |curve: &Curve| curve.points.first().map_or(0.0, |point| point.y);
    let own = panel.curves.get(n).map_or(0.0, first);
    panel.curves.len() > 1 && panel.curves.iter().all(|curve| first(curve) >= own)
}

/// The curves' names, below each other at the upper right end of the axes.
fn legend(panel: &Panel, out: &mut String) {
    let mut y = ABOVE + 16.0;
    for (curve, colour) in panel.curves.iter().zip(COLOURS) {
        let x = WIDTH - RIGHT - 12.0;
        writeln!(
            out,
            "<circle cx=\"{x}\" cy=\"{:.1}\" r=\"3.5\" fill=\"{colour}\"/>",
            y - 4.0
        )
        .expect(STRING);
        text(out, (x - 10.0, y), "end", colour, &curve.name);
        y += 16.0;
    }
}

fn text(out: &mut String, (x, y): (f64, f64), anchor: &str, colour: &str, words: &str) {
    writeln!(
        out,
        "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\" fill=\"{colour}\">{words}</text>"
    )
    .expect(STRING);
}
