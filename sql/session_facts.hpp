#pragma once

#include "base/session_effects.hpp"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace weir::sql {

/// What the text of a request says about the state it may leave in its session. What functions,
/// triggers and rules do does not show: see RequestEffects::is_inert.
struct SessionFacts {
    RequestEffects effects;
    /// One statement, which answers with the tag SET and ends with its transaction.
    bool is_local_set = false;
    /// Where it is one RESET (or SET … TO DEFAULT): of which setting, in lower case; "all" of all.
    std::string reset_name;
    /// Settings with a dot in their names that it sets or reads, in lower case: PostgreSQL does not
    /// list these.
    std::vector<std::string> custom_settings;
    /// The same of all texts with this digest: no literal decides any of it.
    bool is_of_digest = false;
};

/// @param sql a request's text, one statement or several; taken for valid
[[nodiscard]] SessionFacts session_facts(std::string_view sql);

/// @return the text without its literals, cut to `bytes_max`
[[nodiscard]] std::string without_literals(std::string_view sql, std::size_t bytes_max);

}  // namespace weir::sql
