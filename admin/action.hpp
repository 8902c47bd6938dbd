#pragma once

#include "admin/commands.hpp"
#include "admin/policy_question.hpp"
#include "admin/select.hpp"
#include "admin/statement.hpp"
#include "admin/table.hpp"
#include "base/control.hpp"
#include "conf/model.hpp"
#include "protocol/error_reply.hpp"

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace weir::admin {

/// What carrying out an action changes in the client's session.
enum class Effect : std::uint8_t {
    None,
    BeginTransaction,
    EndTransaction,
    Deallocate,  ///< the prepared statement `Action::name`
    DeallocateAll,
};

/// What a statement asks for.
struct Action {
    const Command* command = nullptr;  ///< a SHOW command; else the answer is already here:
    std::vector<Column> columns;       ///< none = no row
    std::vector<Row> rows;
    std::string
        tag;  ///< of CommandComplete; "SELECT" gets the number of rows; "" = an empty statement
    Effect effect = Effect::None;
    std::string name;
    std::optional<protocol::ErrorFields> notice;
    std::optional<control::Order> order;           ///< to be carried out before the answer
    std::shared_ptr<const SelectPlan> select;      ///< to be run for the answer
    std::shared_ptr<const PolicyQuestion> policy;  ///< to be answered by the configuration in force

    /// @return the columns of the answer; none = no RowDescription
    [[nodiscard]] std::span<const Column> described() const {
        if (select != nullptr) {
            return select->columns;
        }
        return command != nullptr ? command->columns : std::span<const Column>{columns};
    }
};

/// Who asks whom.
struct Asker {
    Role role = Role::Viewer;
    std::string_view version;  ///< Weir's
    const conf::Config& config;
};

/// Finds what a statement asks for: a SHOW command, or one of the things that drivers and pools
/// send by themselves (SET, BEGIN, SELECT 1, DISCARD ALL, …), which are answered as harmlessly as
/// PostgreSQL would.
///
/// @return the error to send for anything else
[[nodiscard]] std::variant<Action, protocol::ErrorFields> interpret(const Statement& statement,
                                                                    const Asker& asker);

/// @return name and value of every ParameterStatus the console announces
[[nodiscard]] std::vector<std::pair<std::string_view, std::string>> announced_parameters(
    std::string_view version);

}  // namespace weir::admin
