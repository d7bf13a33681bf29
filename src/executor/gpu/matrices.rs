//! Cooperative matrices: the shapes that can be used, and the rows of the self-test.
//!
//! They are used for rows of bytes only, whose products they sum exactly: distances are the same as the plain kernel's,
//! to the bit. Floats rounded to f16 would need longer rows, or a second pass in exact search.

use wgpu::{CooperativeMatrixProperties as Properties, CooperativeScalarType as Scalar};

use super::encoding::Encoding;
use super::tile::TILE;
use crate::rng::hash;

/// The features they need: their own, f16 values, and the number of an invocation's subgroup.
const NEEDED: wgpu::Features =
    wgpu::Features::EXPERIMENTAL_COOPERATIVE_MATRIX.union(wgpu::Features::SHADER_F16).union(wgpu::Features::SUBGROUP);

/// Side of the matrices that kernels may use, or the reason why not.
pub(super) fn offered(adapter: &wgpu::Adapter) -> Result<u32, &'static str> {
    if adapter.get_info().device_type == wgpu::DeviceType::Cpu {
        return Err("software has no units for them");
    }
    of_adapter(adapter)
}

/// Same, with software adapters.
pub(super) fn of_adapter(adapter: &wgpu::Adapter) -> Result<u32, &'static str> {
    let largest_subgroup = adapter.get_info().subgroup_max_size;
    usable(&adapter.cooperative_matrix_properties(), adapter.features(), largest_subgroup)
}

/// The features to open a device with.
pub(super) fn features(with_matrices: bool) -> wgpu::Features {
    if with_matrices { NEEDED } else { wgpu::Features::empty() }
}

/// The largest square matrices of f16 that are summed in f32.
fn usable(properties: &[Properties], features: wgpu::Features, largest_subgroup: u32) -> Result<u32, &'static str> {
    if !features.contains(NEEDED) {
        return Err("the adapter has none, or no f16, or no subgroups");
    }
    if largest_subgroup > TILE.group {
        return Err("subgroups are larger than a tile's workgroup");
    }
    let serves = |p: &&Properties| {
        let is_square = p.m_size == p.n_size && p.m_size == p.k_size && matches!(p.m_size, 8 | 16);
        is_square && p.ab_type == Scalar::F16 && p.cr_type == Scalar::F32
    };
    let largest = properties.iter().filter(serves).map(|p| p.m_size).max();
    largest.ok_or("no matrices of 8 x 8 or 16 x 16 values of f16 that are summed in f32")
}

/// Rows and columns of the self-test: more than a tile has, and more than the kernel stages at a time.
pub(super) const TESTED_ROWS: usize = 41;
pub(super) const TESTED_COLUMNS: usize = 150;

/// The values of the self-test: two rows with the largest products, a zero row, and random ones.
pub(super) fn tested_rows(encoding: Encoding) -> Vec<u8> {
    let largest = if encoding == Encoding::I8Dots { 128 } else { 255 };
    let value = |row: usize, at: usize| match row {
        0 | 1 => largest,
        2 => 0,
        _ => hash(7, 11, at as u64, 0) as u8,
    };
    (0..TESTED_ROWS * TESTED_COLUMNS).map(|at| value(at / TESTED_COLUMNS, at)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offer([m_size, n_size, k_size]: [u32; 3], ab_type: Scalar, cr_type: Scalar) -> Properties {
        Properties { m_size, n_size, k_size, ab_type, cr_type, saturating_accumulation: false }
    }

    #[test]
    fn the_largest_exact_matrices_are_chosen() {
        let [eight, sixteen] = [8, 16].map(|side| offer([side; 3], Scalar::F16, Scalar::F32));
        let flat = offer([16, 8, 16], Scalar::F16, Scalar::F32);
        let (narrow, wide) = (offer([16; 3], Scalar::F16, Scalar::F16), offer([8; 3], Scalar::F32, Scalar::F32));
        let of = |properties: &[Properties]| usable(properties, NEEDED, 32).ok();
        assert_eq!(of(&[flat, narrow, eight, sixteen]), Some(16));
        assert_eq!(of(&[eight, wide]), Some(8));
        assert_eq!(of(&[flat]), None);
        assert_eq!(of(&[narrow]), None, "sums of f16 are not exact");
        assert_eq!(of(&[wide]), None);
        assert_eq!(of(&[]), None);
    }

    #[test]
    fn what_is_missing_is_named() {
        let offers = [offer([16; 3], Scalar::F16, Scalar::F32)];
        for feature in NEEDED.iter() {
            assert!(usable(&offers, NEEDED - feature, 32).unwrap_err().contains("or no f16"), "{feature:?}");
        }
        assert_eq!(usable(&offers, NEEDED, 128), Err("subgroups are larger than a tile's workgroup"));
        assert!(usable(&offers[..0], NEEDED, 64).unwrap_err().starts_with("no matrices of 8 x 8 or 16 x 16"));
        assert_eq!(usable(&offers, NEEDED, 64), Ok(16));
    }

    /// The sums that the kernel holds at a time are integers that f32 represents.
    #[test]
    fn sums_are_exact() {
        let text = include_str!("../../../shaders/block_products.wgsl");
        assert!(text.contains("const COLUMNS: u32 = 16u * DEPTH;"));
        let depth = text.split("const DEPTH: u32 = ").nth(1).and_then(|rest| rest.split('u').next());
        let columns = 16 * depth.expect("it is there").parse::<u64>().expect("a number");
        assert!(columns * 255 * 255 < 1 << 24, "{columns}");
    }
}
