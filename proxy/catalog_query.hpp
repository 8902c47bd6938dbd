#pragma once

#include <string>
#include <string_view>

namespace weir::proxy {

/// @param print of the catalog as it is known; "" when it is not
/// @param wants_callable whether all functions are asked for
/// @return what CatalogReading asks: rows of five columns of ASCII text
///  - 'print', what the catalog looks like now: nothing else follows when that is `print`
///  - 'hidden', when a view, a default, an operator or the like calls one of PostgreSQL's own
///    functions that leave something
///  - 'function', name, language, flags (h: called by other things than functions and triggers; t:
///    by a trigger; s: sets the seed), a piece of its source: further rows with an empty name go on
/// with it. Names and sources as encode(…, 'escape') writes them.
///  - 'callable', schema, name, the worst volatility of that name (i, s or v): names of ASCII
///    alone, and ? and v for a schema whose name has other letters
[[nodiscard]] std::string catalog_query(std::string_view print, bool wants_callable);

}  // namespace weir::proxy
