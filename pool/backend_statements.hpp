#pragma once

#include "pool/statement.hpp"

#include <cstddef>
#include <cstdint>
#include <deque>
#include <list>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace weir::pool {

/// Backends have no prepared statement of this name unless a client makes one: to describe it
/// fails, or ends that client's session. A literal, so that a terminator follows.
inline constexpr std::string_view kNoStatement = "weir:none";

/// A Describe of neither a statement nor a portal: it fails, whatever there is, and changes
/// nothing.
inline constexpr std::string_view kDescribeNothing{"D\0\0\0\6?\0", 7};

/// Which statements one backend has prepared, most recently used first; kept in step with messages
/// that are still on their way.
///
/// add() and remove() are told when the message is sent; what became of it is told, in the same
/// order, by settle() and drop(). A Parse that did not happen is forgotten, a Close that did not
/// happen brings its statement back.
class BackendStatements {
public:
    BackendStatements() = default;
    /// @param uses what a backend that comes from another worker has, most recently used first
    BackendStatements(StatementTable& table,
                      SettingsTable& settings,
                      const std::vector<StatementPtr>& uses);

    /// @return whether the backend has it; it counts as used now
    [[nodiscard]] bool use(const StatementPtr& statement);

    [[nodiscard]] bool has(const StatementPtr& statement) const {
        return places_.contains(statement.get());
    }

    /// A Parse of it is being sent.
    void add(const StatementPtr& statement);
    /// A Close of it is being sent.
    void remove(const StatementPtr& statement);

    /// @return the statement used least recently when there are `max` or more, else nullptr
    [[nodiscard]] StatementPtr surplus(std::size_t max) const;

    /// A Sync is being sent: what is on its way now may fail without what follows being skipped.
    void seal() { sealed_ = pending_.size(); }

    /// @return whether it hangs on an answer still to come if the backend will have this statement
    /// when it reads what is sent next
    [[nodiscard]] bool is_unsettled(ByteView definition) const;

    /// The oldest `count` messages have been answered with success.
    void settle(std::uint32_t count);
    /// The oldest `count` messages will not be carried out.
    void drop(std::uint32_t count);
    /// The backend has thrown away all it had (DISCARD ALL, DEALLOCATE ALL); what is on its way
    /// behind that stays.
    void forget_all();

    [[nodiscard]] std::size_t size() const { return uses_.size(); }

    /// @return all, most recently used first; only while nothing is on its way
    [[nodiscard]] std::vector<StatementPtr> all() const;

private:
    struct Change {
        StatementPtr statement;  // keeps its name alive until the message about it is answered
        StatementPtr before;     // nullptr: the backend does not have it
        StatementPtr after;
    };

    void change(const StatementPtr& statement, const StatementPtr& after);
    void set(const Statement* statement, const StatementPtr& use);

    std::list<StatementPtr> uses_;
    std::unordered_map<const Statement*, std::list<StatementPtr>::iterator> places_;
    std::deque<Change> pending_;
    std::size_t sealed_ = 0;  // of pending_, from the front
};

}  // namespace weir::pool
