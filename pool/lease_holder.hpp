#pragma once

#include "base/clock.hpp"
#include "base/intrusive_list.hpp"
#include "net/stream.hpp"
#include "net/write_batch.hpp"
#include "pool/backend_login.hpp"
#include "pool/reply_hold.hpp"
#include "pool/session_audit.hpp"
#include "pool/session_settings.hpp"
#include "pool/statement_run.hpp"
#include "pool/wait_reason.hpp"
#include "protocol/backend_views.hpp"
#include "protocol/error_reply.hpp"
#include "protocol/expected_replies.hpp"

#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

namespace weir::pool {

class Backend;

/// What a client needs to know when its backend is gone.
struct BackendLoss {
    protocol::ExpectedReplies owed;  ///< what the client still waits for
    protocol::TransactionStatus status =
        protocol::TransactionStatus::Idle;  ///< as of the last ReadyForQuery
    /// Part of a message has reached the client: its stream cannot be mended.
    bool is_mid_frame = false;
    /// The server has ended the connection itself: what it had to say has been passed on where the
    /// session is the client's alone.
    bool has_server_closed = false;
    /// Replies were held back (Backend::hold_back()), and nothing of them has reached the client.
    bool is_untold = false;
    protocol::ErrorFields reason;    ///< for the client; severity is the client's business
    std::vector<StatementRun> runs;  ///< its statements that were under way, oldest first
};

/// Who asks for a backend, waits for it and is told what it says: a client's session. Lives on the
/// pool's thread.
///
/// None of these calls may destroy the holder at once (EventLoop::defer_delete), any may give the
/// lease back.
class LeaseHolder : public ListNode<LeaseHolder> {
public:
    LeaseHolder() = default;
    LeaseHolder(const LeaseHolder&) = delete;
    LeaseHolder& operator=(const LeaseHolder&) = delete;
    LeaseHolder(LeaseHolder&&) = delete;
    LeaseHolder& operator=(LeaseHolder&&) = delete;

    /// The backend is yours until you give it back; `waited` since acquire().
    virtual void on_lease(Backend& backend, Duration waited) = 0;
    /// You were waiting and will get none; you wait no longer.
    virtual void on_refused(const LoginFailure& reason) = 0;

    /// You have been waiting for a while and go on waiting. May not end the wait.
    virtual void on_long_wait() {}

    /// Backend::prepare() is through: the backend has your settings now, or could not take them.
    virtual void on_prepared() = 0;
    virtual void on_prepare_failed(const protocol::ErrorFields& reason) = 0;

    /// Whole messages and parts of them for the client, valid during the call.
    virtual void on_reply(const net::WriteBatch& batch) = 0;
    /// The client's own statement has changed a reported setting.
    virtual void on_reported(std::string_view lower_case_name, std::string_view value) = 0;

    /// Backend::audit() is through. Backend::applied() says which settings it has, if that was
    /// asked.
    virtual void on_audited(const AuditResult& /*result*/) {}

    /// A ReadyForQuery came and everything of that read has been passed on: time to see whether the
    /// backend is at rest. In statement mode a ReadyForQuery that tells of an open transaction is
    /// not passed on: see transaction_status().
    virtual void on_reply_end() = 0;

    /// What it is told from now on is not to leave while the result is there; nullptr: nobody
    /// listens.
    [[nodiscard]] virtual std::shared_ptr<net::HeldOutput> hold_replies() { return nullptr; }

    /// More has been answered since Backend::tell_progress(), but no ReadyForQuery came.
    virtual void on_progress() = 0;

    /// No cancel of the backend's is on its way any more (Backend::is_cancel_on_its_way()), unless
    /// the statement goes on running.
    virtual void on_cancel_settled() { on_progress(); }

    /// What has become of requests noted ByClient, oldest first.
    virtual void on_noted(const protocol::NotedOutcome& outcome) = 0;
    /// The backend has failed in place of a request that was refused (Backend::refuse()): time to
    /// say why.
    /// @param error the body of its ErrorResponse
    virtual void on_refusal_due(ByteView error) = 0;
    /// The client has thrown away all its prepared statements.
    virtual void on_statements_forgotten() = 0;
    /// The backend takes more again, after Backend::is_full().
    virtual void on_backend_drained() = 0;

    /// A statement given to Backend::will_run() has been answered to the end, and its answer passed
    /// on.
    virtual void on_run_end(StatementRun& /*run*/) {}

    /// A Parse noted ByClient, the oldest whose outcome has not been told, has failed, and no
    /// Execute was sent behind it.
    /// @return what on_run_end() is to be called with: a ticket, and when it was asked for
    [[nodiscard]] virtual StatementRun run_of_parse() { return {}; }

    /// An error is on its way to the client.
    /// @param error has an SQLSTATE; valid during the call
    virtual void on_error(const protocol::ErrorView& /*error*/) {}

    /// The server has refused a request whose replies were held back, and the client has heard
    /// nothing of it. The lease is to be given back.
    virtual void on_taken_back(const TakenBack& /*reason*/) {}

    /// The backend is gone and the lease over.
    virtual void on_backend_lost(const BackendLoss& loss) = 0;

    /// @return the settings that its backend's session must have begun with, so that RESET leads to
    /// them: interned; nullptr: none but the pool's own
    [[nodiscard]] virtual SettingsPtr wanted_startup() const { return nullptr; }

    /// @return the client's number in the server's lists; 0: it is not a client
    [[nodiscard]] virtual std::uint64_t client_id() const { return 0; }

    /// @return -10 to 10: of those who wait, the higher is served first. Asked when it begins to
    /// wait, and only where the configuration has priorities at all.
    [[nodiscard]] virtual int priority() const { return 0; }

    /// @return its application_name now; "" = it has none. Asked only where an application may hold
    /// so many backends.
    [[nodiscard]] virtual std::string_view application() const { return {}; }

    /// Set by the pool while the holder waits in its line.
    TimePoint waiting_since{};
    /// Set by the pool: what it waits for; once it has a backend, what it has waited for last
    /// (None: it did not have to wait).
    WaitReason wait_reason = WaitReason::None;

protected:
    ~LeaseHolder() = default;
};

}  // namespace weir::pool
