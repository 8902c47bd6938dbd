#pragma once

#include "base/result.hpp"
#include "base/sqlstate.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace weir::protocol {

/// The 'S' and 'V' fields of ErrorResponse and NoticeResponse.
enum class Severity : std::uint8_t { Error, Fatal, Panic, Warning, Notice, Debug, Info, Log };

/// @return PostgreSQL's word, e.g. "FATAL"
[[nodiscard]] std::string_view name_of(Severity severity);
/// @return nothing for a word PostgreSQL does not use (or one in another language)
[[nodiscard]] std::optional<Severity> parse_severity(std::string_view text);

/// What an ErrorResponse or NoticeResponse of ours says. Empty detail and hint are left out.
struct ErrorFields {
    Severity severity = Severity::Error;
    SqlState sqlstate = sqlstate::kInternalError;
    std::string message;
    std::string detail;
    std::string hint;
};

/// @return the error's SQLSTATE and text under the given severity, without detail and hint
[[nodiscard]] ErrorFields make_error_fields(Severity severity, const Error& error);

}  // namespace weir::protocol
