#pragma once

#include <string>
#include <string_view>

/// Names as SQL has them, as far as they can be judged without a server. Thread: any.
namespace weir::conf {

/// Reads the name of a table or view: orders, public.orders, "Odd Name".
/// @return "schema"."name", with the schema public where none is written: the same for two ways to
/// write one name; "" for what is no name
[[nodiscard]] std::string relation_name(std::string_view text);

/// @return whether it is a column's name rather than an expression; it is taken to the letter
[[nodiscard]] bool is_column_name(std::string_view text);

/// @return the name an expression ends with, "b" in "lower(a) AS b", or the column's name that all
/// of it is; "" where there is none
[[nodiscard]] std::string_view name_of_expression(std::string_view text);

}  // namespace weir::conf
