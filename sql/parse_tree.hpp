#pragma once

#include <nlohmann/json.hpp>

#include <string>
#include <string_view>

namespace weir::sql {

/// One node of PostgreSQL's raw parse tree, or what stands in it.
using Json = nlohmann::json;

/// @param text NUL-terminated, within the limits of parser_text.hpp
/// @return {"version": …, "stmts": [{"stmt": {"SelectStmt": …}}, …]}; discarded when PostgreSQL's
/// grammar does not take the text
[[nodiscard]] Json parse_tree(const std::string& text);

/// @return a field of an object; null when there is none
[[nodiscard]] const Json& field(const Json& object, std::string_view name);

/// @return a string field; "" when it is none. PostgreSQL leaves out what is empty, false or zero.
[[nodiscard]] std::string_view text_field(const Json& object, std::string_view name);

/// @return whether a boolean field is there and true
[[nodiscard]] bool is_set(const Json& object, std::string_view name);

/// A node's kind and its fields.
struct Node {
    std::string_view kind;  ///< "" when it is none
    const Json* fields = nullptr;
};

/// @return what {"Kind": {…}} says. Fields' names begin small, kinds with a capital.
[[nodiscard]] Node node_of(const Json& value);

/// @return the text of {"String": {"sval": …}}
[[nodiscard]] std::string_view string_of(const Json& value);

}  // namespace weir::sql
