#pragma once

#include <string>

namespace weir::sql {

/// What asks a database for all that RelationRows takes: rows of five columns of ASCII text, each
/// kind of row in an order of its own. Means the same whatever the search_path.
///
///  kind     | id       | other    | word                     | text
///  relation | oid      | schema   | relkind, then flags      | name ("" when it is not ASCII)
///  child    | parent   | child    |                          |
///  reads    | view     | relation |                          |
///  rule     | relation | relation |                          |
///  cascade  | table    | referrer | on delete, on update     |
///  trigger  | relation | function | tgtype                   |
///  calls    | relation | function | r or w, then volatility  | name, of PostgreSQL's own
///  function | oid      | schema   | volatility, language     | name ("" when it is not ASCII)
///  source   | oid      |          |                          | a piece of it
///  hidden   |          | function |                          |
///  computed |          |          | volatility               | name ("" when it is not ASCII)
///  column   |          |          |                          | name
///  operator |          |          |                          | name
///  cast     |          |          | castcontext              |
///  flag     |          |          | what there is            |
///  server   | database |          |                          | when the server was started
///
/// Flags of a relation: R row security, L a table with a SELECT rule, Z a column of timetz, T one
/// of time, N a view that asks for the time, I one that casts by way of text, M one that samples or
/// locks. Languages: s SQL, p PL/pgSQL, c C and internal, o others. `reads` is what a view is made
/// of, `rule` what its other rules name; `calls` is r where a read runs it, w where only a write
/// does. `hidden` runs without being named. `computed` may be called as a column of a row. `column`
/// is a name that means a date or a timestamp wherever it stands. Temporary relations are left out:
/// each session has its own. Sources and names of functions as encode(…, 'escape') writes them.
[[nodiscard]] std::string relations_query();

}  // namespace weir::sql
