#pragma once

#include "base/result.hpp"

#include <string>

namespace weir::maintenance {

/// What went wrong, for a person: "public.events: no such table". Holds no secret.
struct Problem {
    std::string text;
    std::string sqlstate;  ///< PostgreSQL's; "" = it did not come from there
    std::string detail;    ///< PostgreSQL's DETAIL and HINT, or what would be right

    [[nodiscard]] bool is(const char* state) const { return sqlstate == state; }

    /// @return text and detail in one line
    [[nodiscard]] std::string line() const {
        return detail.empty() ? text : text + " (" + detail + ")";
    }
};

template <class T>
using Answer = Expected<T, Problem>;

/// Makes the failing arm of an Answer.
[[nodiscard]] inline auto problem(std::string text,
                                  std::string detail = {},
                                  std::string sqlstate = {}) {
    return failed(Problem{std::move(text), std::move(sqlstate), std::move(detail)});
}

/// The SQLSTATEs that are acted upon.
namespace state {
inline constexpr const char* kLockNotAvailable = "55P03";
inline constexpr const char* kDeadlock = "40P01";
inline constexpr const char* kSerialization = "40001";
inline constexpr const char* kQueryCanceled = "57014";
inline constexpr const char* kDuplicateTable = "42P07";
inline constexpr const char* kUndefinedTable = "42P01";
inline constexpr const char* kInsufficientPrivilege = "42501";
inline constexpr const char* kObjectInUse = "55006";
inline constexpr const char* kConnectionLost = "08006";
}  // namespace state

}  // namespace weir::maintenance
