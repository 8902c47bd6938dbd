#pragma once

#include "pool/session_settings.hpp"
#include "pool/statement.hpp"
#include "protocol/error_reply.hpp"

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <string_view>
#include <utility>

namespace weir::proxy {

/// What one of a client's names means.
struct ClientStatement {
    pool::StatementPtr statement;  ///< nullptr: nothing
    bool is_deallocate = false;    ///< a Parse of a DEALLOCATE, which is never sent as it is
};

/// One client's prepared statements by the names it gave them, kept in step with messages that are
/// still on their way.
///
/// add() and remove() take effect at once, because what the client sends next relies on them; what
/// became of the message is told, in the same order, by settle() and drop(). A Parse that failed or
/// was skipped after an error leaves the name as it was before.
class ClientStatements {
public:
    /// @return nullptr: the client has no such statement
    [[nodiscard]] const ClientStatement* find(std::string_view name) const;

    void add(std::string_view name, const ClientStatement& statement);
    void remove(std::string_view name);

    /// A Sync is being sent: what is on its way now may fail without what follows being skipped.
    void seal() { sealed_ = pending_.size(); }

    /// @return whether it hangs on an answer still to come what this name means in what is sent
    /// next
    [[nodiscard]] bool is_unsettled(std::string_view name) const;

    /// @return what the oldest change whose outcome is not known has prepared; nullptr: it is of
    /// another kind
    [[nodiscard]] const pool::Statement* oldest_on_its_way() const;

    /// The oldest `count` changes have come true.
    void settle(std::uint32_t count);
    enum class Why : std::uint8_t {
        Skipped,      ///< the backend has not looked at them
        FirstFailed,  ///< the first of them failed, those behind it were skipped
    };
    /// The oldest `count` changes will not happen.
    void drop(std::uint32_t count, Why why);

    void drop_all() { drop(static_cast<std::uint32_t>(pending_.size()), Why::Skipped); }

    /// All its statements are gone (DISCARD ALL, DEALLOCATE ALL); what is on its way behind that
    /// stays.
    void forget_all();

    /// As if this name had never been given; nothing of it may be on its way.
    void forget(std::string_view name) { set(std::string{name}, {}); }

    /// The unnamed statement is gone: a simple Query is on its way.
    void forget_unnamed();

    /// Keeps the name in the DEALLOCATE that is being read.
    /// @valid until the next call
    [[nodiscard]] std::string_view keep(std::string name) {
        kept_ = std::move(name);
        return kept_;
    }

    /// The client's settings have changed since it prepared this: the same text, read by those of
    /// now.
    void reread(std::string_view name, const pool::StatementPtr& statement);

    /// @return the part of a session's settings that decides how a statement's text is read
    [[nodiscard]] const pool::SettingsPtr& reading_settings(const pool::SettingsPtr& settings,
                                                            pool::SettingsTable& table);

    /// @param id that nobody else in the process has
    /// @return what stands for settings that nobody else has, the same until forget_private()
    [[nodiscard]] const pool::SettingsPtr& private_settings(pool::SettingsTable& table,
                                                            std::uint64_t id);

    /// How text is read has changed.
    void forget_private() { private_settings_ = nullptr; }

    [[nodiscard]] std::size_t size() const { return by_name_.size(); }

    /// @return how long all of them are together
    [[nodiscard]] std::size_t bytes() const { return bytes_; }

private:
    struct Change {
        std::string name;
        ClientStatement before;
        ClientStatement after;
    };

    void change(std::string_view name, const ClientStatement& after);
    void set(const std::string& name, const ClientStatement& statement);

    std::map<std::string, ClientStatement, std::less<>> by_name_;
    std::string kept_;
    pool::SettingsPtr settings_;          // of the session, when last asked
    pool::SettingsPtr reading_settings_;  // the part of them that matters
    pool::SettingsPtr private_settings_;  // nullptr: not needed yet
    std::size_t bytes_ = 0;
    std::deque<Change> pending_;
    std::size_t sealed_ = 0;  // of pending_, from the front
};

}  // namespace weir::proxy
