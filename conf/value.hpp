#pragma once

#include "conf/node.hpp"
#include "conf/schema.hpp"
#include "conf/units.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace weir::conf {

struct ValueProblem {
    Position at;
    std::string key;  ///< below the setting's own: "address" in a table of servers; usually ""
    std::string message;
};

/// Reads what the file says.
/// @return empty after appending to `problems`
[[nodiscard]] std::optional<Value> read_value(const Setting& setting,
                                              const Node& node,
                                              std::vector<ValueProblem>& problems);

/// Reads what an environment variable or a default says; lists have commas.
/// @return as everywhere, a problem that does not repeat the value
[[nodiscard]] Parsed<Value> parse_value(const Setting& setting, std::string_view text);

/// Reads one address out of a setting that is a list of them.
[[nodiscard]] Parsed<Address> parse_listed_address(const Setting& setting, std::string_view text);

/// @return what the setting accepts, after "accepted: "
[[nodiscard]] std::string accepted(const Setting& setting);

/// @return the value as SHOW CONFIG shows it; parse_value reads it back
[[nodiscard]] std::string format_value(const Setting& setting, const Value& value);
/// @return the value as a TOML literal
[[nodiscard]] std::string toml_value(const Setting& setting, const Value& value);
/// @return the text as a TOML basic string, with its quotes
[[nodiscard]] std::string toml_string(std::string_view text);

}  // namespace weir::conf
