#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace weir {

/// The kinds of state a statement can leave behind in a PostgreSQL session.
enum class SessionEffect : std::uint8_t {
    Settings,    ///< SET, RESET, set_config(), SET ROLE, SET SESSION AUTHORIZATION
    Temporary,   ///< temporary tables, views, sequences, types, functions
    Cursors,     ///< WITH HOLD
    Statements,  ///< PREPARE in SQL
    Channels,    ///< LISTEN
    Locks,       ///< session-level advisory locks
    Lasting,     ///< what ends with the server process alone: LOAD, setseed(), dblink_connect()
};

inline constexpr std::size_t kSessionEffects = 7;

/// @return the word for it in SHOW PINS and as a metric's label
[[nodiscard]] constexpr std::string_view name_of(SessionEffect effect) {
    constexpr std::array<std::string_view, kSessionEffects> kNames = {
        "setting", "temporary", "cursor", "prepared", "listen", "advisory_lock", "library"};
    return kNames[static_cast<std::size_t>(effect)];
}

/// A set of them.
class SessionEffects {
public:
    constexpr SessionEffects() = default;

    // NOLINTNEXTLINE(google-explicit-constructor): one of them is a set of one
    constexpr SessionEffects(SessionEffect effect)
        : bits_{static_cast<std::uint8_t>(1U << static_cast<unsigned>(effect))} {}

    [[nodiscard]] static constexpr SessionEffects all() {
        SessionEffects every;
        every.bits_ = (1U << kSessionEffects) - 1U;
        return every;
    }

    [[nodiscard]] constexpr bool empty() const { return bits_ == 0; }

    [[nodiscard]] constexpr bool has(SessionEffect effect) const {
        return (bits_ & SessionEffects{effect}.bits_) != 0;
    }

    constexpr SessionEffects& operator|=(SessionEffects other) {
        bits_ = static_cast<std::uint8_t>(bits_ | other.bits_);
        return *this;
    }

    [[nodiscard]] constexpr SessionEffects operator|(SessionEffects other) const {
        SessionEffects both = *this;
        return both |= other;
    }

    [[nodiscard]] constexpr SessionEffects operator&(SessionEffects other) const {
        SessionEffects common;
        common.bits_ = static_cast<std::uint8_t>(bits_ & other.bits_);
        return common;
    }

    [[nodiscard]] constexpr SessionEffects without(SessionEffects other) const {
        SessionEffects rest;
        rest.bits_ = static_cast<std::uint8_t>(bits_ & ~other.bits_);
        return rest;
    }

    [[nodiscard]] constexpr bool operator==(const SessionEffects&) const = default;

private:
    std::uint8_t bits_ = 0;
};

[[nodiscard]] constexpr SessionEffects operator|(SessionEffect one, SessionEffect other) {
    return SessionEffects{one} | other;
}

/// What is known, without running it, of the state a request may leave in its session.
struct RequestEffects {
    /// What its words say it changes. Not: what ends with the transaction (SET LOCAL,
    /// set_config(…, true), pg_advisory_xact_lock()).
    SessionEffects known;
    /// It runs what cannot be seen and may differ each time: DO, EXECUTE, a query given as text.
    bool is_opaque = false;
    /// Transaction control, SHOW and SET LOCAL: nothing can be left behind, seen or unseen.
    bool is_inert = true;
    /// lastval() or currval(): the answer is a session's own.
    bool reads_sequences = false;
    /// Something in it may call nextval(): it writes, or calls functions.
    bool may_advance_sequences = false;
    /// It is a RESET (or SET … TO DEFAULT) and nothing else.
    bool is_reset = false;
    /// It has a BEGIN in it: what follows runs in the same session.
    bool begins_transaction = false;
    /// It changes, for the transaction or for good, how the text of statements is read.
    bool changes_reading = false;
    /// It sets a setting whose name is not in the text, or not in plain letters there.
    bool has_unnamed_setting = false;
    /// It may leave what no look at the session shows, and what can be taken away: the seed.
    bool may_leave_unlisted = false;
    /// CREATE, ALTER or DROP: functions may be other ones once it is committed.
    bool changes_catalog = false;
    /// Says which requests are alike.
    std::uint64_t digest = 0;
};

}  // namespace weir
