#pragma once

#include "admin/commands.hpp"
#include "admin/statement.hpp"
#include "base/control.hpp"
#include "conf/model.hpp"
#include "protocol/error_reply.hpp"

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>

namespace weir::admin {

/// A row of the table of commands that change something.
struct OrderCommand {
    enum class Argument : std::uint8_t {
        None,
        MayHaveDatabase,
        NeedsDatabase,
        Client,
        Mode,
        Breaker,
        Cache,
        Job
    };

    std::string_view word;  ///< in lower case
    control::Verb verb;
    Role role;
    Argument argument;
    std::string_view usage;  ///< as SHOW HELP lists it
};

/// @return every such command but SET, in the order SHOW HELP lists them
[[nodiscard]] std::span<const OrderCommand> order_commands();

/// @return the order a statement gives, or what is wrong with it; nothing when its first word is no
/// such command
[[nodiscard]] std::optional<std::variant<control::Order, protocol::ErrorFields>> read_order(
    const Statement& statement, Role role);

/// A SET as typed.
struct Assignment {
    std::string key;    ///< as typed, with its dots and quotes
    std::string value;  ///< without its quotes
};

/// @return nothing when the text is no `SET key = value` or `SET key TO value`
[[nodiscard]] std::optional<Assignment> read_assignment(std::string_view text);

/// @return the order for a SET of one of the process's own settings, or why not
[[nodiscard]] std::variant<control::Order, protocol::ErrorFields> order_to_set(
    Assignment assignment, const conf::Config& config, Role role);

/// @return the words of an order: "PAUSE", "RESET BREAKER", "SET"
[[nodiscard]] std::string action_of(const control::Order& order);
/// @return the order as it could be given again, but for secrets: "PAUSE shop",
/// "SET http.password = ********"
[[nodiscard]] std::string text_of(const control::Order& order, const conf::Config& config);

}  // namespace weir::admin
