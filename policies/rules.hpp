#pragma once

#include "conf/policy_settings.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "sql/statement_facts.hpp"

namespace weir::policies {

/// Who sends a statement: what rules can be about before the statement is known.
struct Session {
    std::string_view database;  ///< the client asked for
    std::string_view user;      ///< who logged in to Weir
    std::string_view application_name;
};

/// A statement, as rules see it. Everything in it is the caller's.
struct Subject {
    Session session;
    std::string_view text;
    std::uint64_t digest = 0;  ///< sql::stable_digest() of it
    /// Null: nobody has looked, or the text does not mean to the server what it seems to (see
    /// sql::can_cut). It may then write, and name any table that stands in it.
    const sql::StatementFacts* facts = nullptr;
    /// The server may read another statement in the text, with other tables: a setting decides.
    bool is_doubtful = false;
    bool is_unread = false;  ///< nobody has seen its text: it may be any
};

/// What a rule has to do with a statement.
enum class Match : std::uint8_t {
    No,
    Yes,
    Maybe,  ///< it depends on a text that nobody has seen, or what the server takes it for
};

/// The [[rule]]s of a configuration, made ready to be asked for every statement.
/// @thread any
class Rules {
public:
    explicit Rules(const std::vector<conf::RuleSettings>& rules);
    Rules(const Rules&) = delete;
    Rules& operator=(const Rules&) = delete;
    Rules(Rules&&) = delete;
    Rules& operator=(Rules&&) = delete;
    ~Rules();

    [[nodiscard]] std::size_t size() const { return rules_.size(); }

    /// @param index below size(), in the order of the configuration
    [[nodiscard]] Match match(std::size_t index, const Subject& subject) const;
    [[nodiscard]] const conf::RuleSet& set_of(std::size_t index) const;

    /// @return whether what is decided for that session hangs on a statement's own text: a rule
    /// with a regular expression is about it. Otherwise all statements of a digest are alike to the
    /// rules.
    [[nodiscard]] bool needs_text(const Session& session) const;
    /// @return whether it hangs on Subject::facts: a rule about tables, or one that lets only reads
    /// through, is about that session
    [[nodiscard]] bool needs_facts(const Session& session) const;

private:
    struct Rule;

    std::vector<std::unique_ptr<Rule>> rules_;
};

}  // namespace weir::policies
