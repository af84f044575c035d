/** With a mark at the start, and line ends of Windows. */
namespace py corpus.windows

/**
 * One.
 * Two.
 */
struct Windows {
	1: i32 a,
	2: string b = "x"
}
