#pragma once

#include "net/event_loop.hpp"
#include "pool/lease_holder.hpp"
#include "pool/session_settings.hpp"
#include "pool/statement_request.hpp"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace weir::pool {

class Pool;

}  // namespace weir::pool

namespace weir::proxy {

/// What the server says of how it would run a statement.
struct PlanAnswer {
    enum class Outcome : std::uint8_t {
        Told,
        Failed,    ///< the server would not, or not in time
        NotAsked,  ///< there was no server connection to spare
    };

    Outcome outcome = Outcome::NotAsked;
    std::string plan;     ///< Told: EXPLAIN's JSON, with its literals
    std::string problem;  ///< else: for the log, without literals
};

/// One EXPLAIN, over a backend that nobody else needs: in a transaction that only reads and is
/// rolled back, with the settings of the session that ran the statement. It is planned there, and
/// never run.
///
/// Whoever needs a backend goes first: where one waits for what this holds it is given up. Lives on
/// the pool's loop; destroying it gives up. Its pool outlives it.
class PlanQuestion final : public pool::LeaseHolder, private net::DeadlineListener {
public:
    /// Called once, perhaps from within start(). It may hand the question to defer_delete().
    using OnDone = std::function<void(PlanAnswer)>;

    /// From start() to the end; then the backend is closed.
    static constexpr std::chrono::seconds kWithin{5};

    /// Whose statement it was.
    struct Session {
        pool::SettingsPtr settings;
        std::string application;
    };

    /// @param request with its Bind, where it had one
    PlanQuestion(net::EventLoop& loop,
                 Session session,
                 std::shared_ptr<const pool::StatementRequest> request,
                 OnDone on_done);
    PlanQuestion(const PlanQuestion&) = delete;
    PlanQuestion& operator=(const PlanQuestion&) = delete;
    PlanQuestion(PlanQuestion&&) = delete;
    PlanQuestion& operator=(PlanQuestion&&) = delete;
    ~PlanQuestion();

    void start(pool::Pool& pool);

private:
    void on_lease(pool::Backend& backend, Duration waited) override;
    void on_refused(const pool::LoginFailure& reason) override;
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
    void on_backend_lost(const pool::BackendLoss& loss) override;
    void on_deadline(net::Deadline& deadline) override;
    [[nodiscard]] int priority() const override;

    [[nodiscard]] std::string_view application() const override { return session_.application; }

    [[nodiscard]] PlanAnswer read_answer() const;
    void leave();
    void finish(PlanAnswer answer);

    net::EventLoop& loop_;
    Session session_;
    std::shared_ptr<const pool::StatementRequest> request_;
    OnDone on_done_;
    TimePoint due_{};
    net::Deadline look_{*this};  // whether somebody waits, or it is due
    pool::Pool* pool_ = nullptr;
    pool::Backend* backend_ = nullptr;
    std::vector<std::byte> reply_;
    bool is_reply_too_long_ = false;
};

}  // namespace weir::proxy
