#pragma once

#include "admin/statement.hpp"
#include "admin/table.hpp"
#include "conf/model.hpp"
#include "protocol/error_reply.hpp"

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace weir::admin {

/// EXPLAIN POLICY: whose statement, and which.
struct PolicyQuestion {
    std::string database;  ///< these three: "" = not said
    std::string user;
    std::string application_name;
    std::string sql;  ///< never blank

    [[nodiscard]] bool operator==(const PolicyQuestion&) const = default;
};

/// How SHOW HELP lists it.
inline constexpr std::string_view kPolicyUsage =
    "EXPLAIN POLICY [(database x, user y, application_name 'z')] statement";

/// @return the question, or what is wrong with it (42601; 3D000: the database is none of the
/// configuration's); nothing for any other statement
[[nodiscard]] std::optional<std::variant<PolicyQuestion, protocol::ErrorFields>>
read_policy_question(const Statement& statement, const conf::Config& config);

/// part, value, from
[[nodiscard]] std::span<const Column> policy_columns();

/// @return what holds for the statement under that configuration, and which place says so
[[nodiscard]] std::vector<Row> answer(const PolicyQuestion& question, const conf::Config& config);

}  // namespace weir::admin
