use std::thread;

/// Below this many items a thread costs more than it saves.
const WORTH_A_THREAD: usize = 1 << 18;

/// Fills `out` row by row, in as many threads as the machine has; each row is filled once, by `fill(row, items)`.
///
/// Rows do not depend on each other, so the number of threads changes no value.
pub(super) fn fill_rows<T: Send>(out: &mut [T], row_len: usize, fill: impl Fn(usize, &mut [T]) + Sync) {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let threads = cores.min(out.len() / WORTH_A_THREAD).max(1);
    let rows_each = (out.len() / row_len).div_ceil(threads).max(1);
    let fill_from = |first: usize, rows: &mut [T]| {
        for (row, items) in rows.chunks_exact_mut(row_len).enumerate() {
            fill(first + row, items);
        }
    };
    if threads == 1 {
        return fill_from(0, out);
    }
    thread::scope(|scope| {
        for (part, rows) in out.chunks_mut(rows_each * row_len).enumerate() {
            let fill_from = &fill_from;
            scope.spawn(move || fill_from(part * rows_each, rows));
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_is_filled_once_whatever_the_number_of_threads() {
        for rows in [1, 7, 3 * WORTH_A_THREAD / 5 + 1] {
            let mut out = vec![0_usize; rows * 5];

            fill_rows(&mut out, 5, |row, items| items.iter_mut().for_each(|item| *item += row + 1));

            assert!(out.iter().enumerate().all(|(i, &item)| item == i / 5 + 1));
        }
    }
}
