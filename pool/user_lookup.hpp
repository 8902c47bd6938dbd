#pragma once

#include "net/event_loop.hpp"
#include "pool/lease_holder.hpp"
#include "pool/session_settings.hpp"

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace weir::pool {

class Pool;

/// What the database says about a user.
struct UserAnswer {
    enum class Outcome : std::uint8_t {
        Found,
        Unknown,
        Unreachable,  ///< nobody could be asked, or nobody answered in time: later it may be
                      ///< otherwise
        Failed,       ///< the query, or who asks it, is wrong: a person must look
    };

    Outcome outcome = Outcome::Unknown;
    std::string secret;   ///< Found: plain, md5… or SCRAM-SHA-256$…; "" = NULL. Never logged.
    std::string problem;  ///< Unreachable, Failed: for the log
    SqlState sqlstate = sqlstate::kCannotConnectNow;  ///< Unreachable, Failed: what the server said

    /// @param rows of DataRow bodies: the name and the secret
    /// @param user who was asked for
    [[nodiscard]] static UserAnswer from_rows(const std::vector<ByteView>& rows,
                                              std::string_view user);
};

/// One question to the database: who is this user? Asked over a backend of `pool` with the user's
/// name as a bound parameter, given up at a deadline.
///
/// The pool must be one that no client is ever lent a backend of, so that none has left settings or
/// temporary objects there. Lives on the pool's loop; destroying it gives up. Its pool outlives it.
class UserLookup final : public LeaseHolder, private net::DeadlineListener {
public:
    /// Called once, perhaps from within start(). It may hand the lookup to defer_delete().
    using OnDone = std::function<void(UserAnswer)>;

    struct Question {
        std::string query;
        std::string user;
        TimePoint due;
    };

    UserLookup(net::EventLoop& loop, Question question, OnDone on_done);
    UserLookup(const UserLookup&) = delete;
    UserLookup& operator=(const UserLookup&) = delete;
    UserLookup(UserLookup&&) = delete;
    UserLookup& operator=(UserLookup&&) = delete;
    ~UserLookup();

    /// @param none the settings of a session that has set nothing
    void start(Pool& pool, const SettingsPtr& none);

    /// @return whether the question is on its way: what changes now may not be in the answer
    [[nodiscard]] bool is_sent() const { return is_sent_; }

private:
    void on_lease(Backend& backend, Duration waited) override;
    void on_refused(const LoginFailure& reason) override;
    void on_prepared() override;
    void on_prepare_failed(const protocol::ErrorFields& reason) override;
    void on_reply(const net::WriteBatch& batch) override;
    void on_reported(std::string_view lower_case_name, std::string_view value) override;
    void on_reply_end() override;
    void on_progress() override;
    void on_noted(const protocol::NotedOutcome& outcome) override;
    void on_refusal_due(ByteView error) override;
    void on_statements_forgotten() override;
    void on_backend_drained() override;
    void on_backend_lost(const BackendLoss& loss) override;
    void on_deadline(net::Deadline& deadline) override;

    [[nodiscard]] UserAnswer read_answer() const;
    void leave();
    void finish(UserAnswer answer);

    net::EventLoop& loop_;
    Question question_;
    OnDone on_done_;
    net::Deadline deadline_{*this};
    Pool* pool_ = nullptr;
    Backend* backend_ = nullptr;
    SettingsPtr none_;
    std::vector<std::byte> reply_;
    bool is_reply_too_long_ = false;
    bool is_sent_ = false;
};

}  // namespace weir::pool
