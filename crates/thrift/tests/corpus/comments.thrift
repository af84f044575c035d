# A header, so that the first documentation is not taken for the file's: the compiler does that by accident.
cpp_include "nothing"

# A comment of the shell.
// A comment of one line.
/* A comment
   of several lines. */
/**/
/***/
/*****/
/* stars * / ** / *** */
/*/ starts here and ends */

/** One line. */
struct One {
  /** Of the field. */
  1: i32 field, // behind it
  /* not documentation */
  2: i32 plain,
  /** First. */
  /** Second: this one. */
  3: i32 two # behind it
}

/**
 * Stars.
 *
 *   Indented.
 * Trailing blanks.   
 */
struct Stars {}

/**
   No stars,
     indented,

   and an empty line.
*/
struct NoStars {}

/** Text in the first line,
 * and stars in the next.
 */
union FirstLine {}

/**
 * Stars in
   some lines.
 */
exception Mixed {}

/**
	 * A tab
	 * before each star.
 */
typedef i32 Tab

/** Of the enumeration. */
enum Letters {
  /** Of A. */
  A,
  /** Of B. */
  B = 5
  /** Behind the last, goes to what follows. */
}
enum Undocumented { C }

/***
 * Three stars.
 ***/
const i32 NUMBER = 1

/** é € 日本 😀 "quoted" back\slash a/slash */
service Documented {
  /** Of f. */
  void f(
    /** Of the argument. */
    1: i32 argument
  ) throws (
    /** Of the exception. */
    1: Mixed mixed
  ),
  /**
   * Of g.
   */
  oneway void g()
}
