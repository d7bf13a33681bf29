//! How values are stored on a device and read by kernels. The rows, the metric and the device decide.

use crate::metric::Form;
use crate::points::DenseValues;

/// How values are stored, and how they are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Encoding {
    F32,
    /// Widened by `unpack2x16float`, which every device has.
    F16,
    /// Loaded as `f16` (`SHADER_F16`) and widened: sums are f32 in both.
    NativeF16,
    /// Bytes widened to floats, for metrics without dot products.
    U8,
    I8,
    /// Bytes, loaded sixteen at a time and multiplied into 32-bit sums, which are exact. Every row ends with a word of
    /// its own, which `of_row` in shaders/shared/metrics reads.
    U8Dots,
    I8Dots,
    /// 128 members of a set to a quad.
    Bits,
}

/// The most columns whose products of bytes fit a 32-bit sum.
const MOST_COLUMNS: usize = 32_768;

/// A row's word, on the boundary of a quad.
pub(super) const WORD_BYTES: usize = 16;

/// Whether bytes under this form are compared by dot products of integers. Centred rows do not fit bytes.
fn takes_dots(form: Form, dim: usize) -> bool {
    dim <= MOST_COLUMNS && matches!(form, Form::L2 | Form::Inner | Form::Angular { centered: false })
}

impl Encoding {
    /// For dense rows under a form; `native_f16`: whether kernels may load `f16`.
    pub(super) fn of_rows(rows: DenseValues, form: Form, dim: usize, native_f16: bool) -> Self {
        match rows {
            DenseValues::U8(_) if takes_dots(form, dim) => Self::U8Dots,
            DenseValues::I8(_) if takes_dots(form, dim) => Self::I8Dots,
            _ if matches!(form, Form::Angular { .. }) => Self::F32,
            DenseValues::F32(_) => Self::F32,
            DenseValues::F16(_) => Self::of_halves(native_f16),
            DenseValues::U8(_) => Self::U8,
            DenseValues::I8(_) => Self::I8,
        }
    }

    /// For f32 rows that are rounded to f16.
    pub(super) fn of_halves(native_f16: bool) -> Self {
        if native_f16 { Self::NativeF16 } else { Self::F16 }
    }

    pub(super) fn is_half(self) -> bool {
        matches!(self, Self::F16 | Self::NativeF16)
    }

    /// For floats that are integers from 0 to 255, if there is a way to compare them as bytes.
    pub(super) fn of_whole_bytes(form: Form, dim: usize) -> Option<Self> {
        match form {
            _ if takes_dots(form, dim) => Some(Self::U8Dots),
            Form::Angular { .. } => None,
            _ => Some(Self::U8),
        }
    }

    /// Values that are loaded together: a quad.
    pub(super) fn values_per_quad(self) -> usize {
        match self {
            Self::F32 | Self::F16 | Self::NativeF16 | Self::U8 | Self::I8 => 4,
            Self::U8Dots | Self::I8Dots => 16,
            Self::Bits => 128,
        }
    }

    /// Bytes of a row of so many quads.
    pub(super) fn row_bytes(self, quads: usize) -> usize {
        match self {
            Self::F32 | Self::Bits => 16 * quads,
            Self::F16 | Self::NativeF16 => 8 * quads,
            Self::U8 | Self::I8 => 4 * quads,
            Self::U8Dots | Self::I8Dots => 16 * quads + WORD_BYTES,
        }
    }

    /// Whether products are of integers.
    pub(super) fn is_dots(self) -> bool {
        matches!(self, Self::U8Dots | Self::I8Dots)
    }

    /// Whether kernels compute the final distances of such rows under this form: sums of products and differences do,
    /// as they are rounded like the CPU's. Division, powers and arc cosines are less precise in WGSL, and 1 - x·y of
    /// bytes cancels near zero.
    pub(super) fn finishes(self, form: Form) -> bool {
        match form {
            Form::Angular { .. } => !self.is_dots(),
            Form::L2 | Form::Inner | Form::Manhattan | Form::Chebyshev | Form::Hamming => true,
            _ => false,
        }
    }

    /// For the report.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32 rows",
            Self::F16 => "f16 rows (unpack2x16float)",
            Self::NativeF16 => "f16 rows (SHADER_F16)",
            Self::U8 => "u8 rows (unpack4xU8)",
            Self::I8 => "i8 rows (unpack4xI8)",
            Self::U8Dots => "u8 rows (dot4U8Packed)",
            Self::I8Dots => "i8 rows (dot4I8Packed)",
            Self::Bits => "bit rows",
        }
    }

    /// The type of a quad in the data, its type in kernels, and the expression that converts the first to the second.
    pub(super) fn quad(self) -> [&'static str; 3] {
        match self {
            Self::F32 => ["vec4<f32>", "vec4<f32>", "quad"],
            Self::Bits => ["vec4<u32>", "vec4<u32>", "quad"],
            Self::F16 => ["vec2<u32>", "vec4<f32>", "vec4<f32>(unpack2x16float(quad.x), unpack2x16float(quad.y))"],
            Self::NativeF16 => ["vec4<f16>", "vec4<f32>", "vec4<f32>(quad)"],
            Self::U8 => ["u32", "vec4<f32>", "vec4<f32>(unpack4xU8(quad))"],
            Self::I8 => ["u32", "vec4<f32>", "vec4<f32>(unpack4xI8(quad))"],
            Self::U8Dots | Self::I8Dots => ["vec4<u32>", "vec4<u32>", "quad"],
        }
    }
}

/// The variants that a device would run, for the list of adapters.
pub(super) fn variants(native_f16: bool, matrix_side: u32) -> Vec<&'static str> {
    let f16 = Encoding::of_halves(native_f16);
    let all = [Encoding::F32, f16, Encoding::U8Dots, Encoding::I8Dots, Encoding::U8, Encoding::I8, Encoding::Bits];
    let by_matrices = match matrix_side {
        0 => None,
        8 => Some("pairs of byte rows (8 x 8 matrices, if they pass a self-test)"),
        _ => Some("pairs of byte rows (16 x 16 matrices, if they pass a self-test)"),
    };
    all.map(Encoding::name).into_iter().chain(by_matrices).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variants_follow_from_rows_metric_and_device() {
        let (u8s, i8s, f32s, f16s) =
            (DenseValues::U8(&[]), DenseValues::I8(&[]), DenseValues::F32(&[]), DenseValues::F16(&[]));
        let angular = |centered| Form::Angular { centered };
        let manhattan = Form::Manhattan;
        for native in [false, true] {
            let of = |rows, form| Encoding::of_rows(rows, form, 128, native);
            for form in [Form::L2, Form::Inner, angular(false)] {
                assert_eq!([of(u8s, form), of(i8s, form)], [Encoding::U8Dots, Encoding::I8Dots]);
                assert_eq!(Encoding::of_whole_bytes(form, 128), Some(Encoding::U8Dots));
            }
            assert_eq!([of(u8s, manhattan), of(i8s, manhattan)], [Encoding::U8, Encoding::I8]);
            assert_eq!([of(u8s, angular(true)), of(f16s, angular(true)), of(f16s, angular(false))], [Encoding::F32; 3]);
            assert_eq!(of(f32s, Form::L2), Encoding::F32);
            assert_eq!(of(f16s, Form::L2), if native { Encoding::NativeF16 } else { Encoding::F16 });
            // Sums that may not fit 32 bits are computed in floats.
            assert_eq!(Encoding::of_rows(u8s, Form::L2, 32_769, native), Encoding::U8);
        }
        assert_eq!(Encoding::of_whole_bytes(manhattan, 128), Some(Encoding::U8));
        assert_eq!(Encoding::of_whole_bytes(angular(true), 128), None);
        assert_eq!(Encoding::of_whole_bytes(angular(false), 32_769), None);
        assert_eq!(Encoding::of_whole_bytes(Form::L2, 32_769), Some(Encoding::U8));
    }

    /// The largest sum that kernels meet.
    #[test]
    fn sums_of_products_fit() {
        assert!(MOST_COLUMNS as u64 * 255 * 255 <= i32::MAX as u64);
    }

    #[test]
    fn adapters_list_what_would_run() {
        assert!(variants(true, 0).contains(&"f16 rows (SHADER_F16)"));
        assert!(variants(false, 0).contains(&"f16 rows (unpack2x16float)"));
        assert!(variants(false, 0).contains(&"u8 rows (dot4U8Packed)"));
        let by_matrices = |side| variants(true, side).iter().filter(|name| name.contains("matrices")).count();
        assert_eq!([by_matrices(0), by_matrices(8), by_matrices(16)], [0, 1, 1]);
    }
}
