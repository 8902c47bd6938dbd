#pragma once

#include "base/clock.hpp"
#include "base/endpoint.hpp"
#include "base/intrusive_list.hpp"
#include "base/session_effects.hpp"
#include "net/connector.hpp"
#include "net/socket.hpp"
#include "net/stream.hpp"
#include "pool/backend_environment.hpp"
#include "pool/backend_login.hpp"
#include "pool/backend_state.hpp"
#include "pool/backend_statements.hpp"
#include "pool/budget.hpp"
#include "pool/dial_request.hpp"
#include "pool/lease_holder.hpp"
#include "pool/parked_backend.hpp"
#include "pool/reply_hold.hpp"
#include "pool/request_batch.hpp"
#include "pool/server_tls.hpp"
#include "pool/session_audit.hpp"
#include "pool/session_settings.hpp"
#include "pool/session_traces.hpp"
#include "pool/statement.hpp"
#include "pool/statement_run.hpp"
#include "pool/ticket_book.hpp"
#include "pool/time_limit.hpp"
#include "protocol/expected_replies.hpp"
#include "protocol/frame.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace weir::pool {

/// One PostgreSQL connection: dialled, logged in, lent to one client at a time, cleaned, closed.
///
/// Owned by its Pool, lives on that pool's loop. Knows what the server still owes
/// (ExpectedReplies), passes replies to the holder by frame header, and swallows the answers to
/// what was asked in its own name. The destructor closes the socket.
class Backend final : public ListNode<Backend>,
                      private net::StreamListener,
                      private net::DeadlineListener {
public:
    using Environment = BackendEnvironment;

    /// Begins to connect: on_backend_idle() or on_backend_ended() tells of it in a later turn.
    Backend(const Environment& environment, std::uint64_t id, DialRequest request);
    /// Goes on with one that another worker has parked; it is Idle.
    Backend(const Environment& environment, ParkedBackend parked);
    Backend(const Backend&) = delete;
    Backend& operator=(const Backend&) = delete;
    Backend(Backend&&) = delete;
    Backend& operator=(Backend&&) = delete;
    ~Backend();

    // Lending: for the pool.
    void lend_to(LeaseHolder& holder);
    /// Asks an Idle backend whether it still answers: it is Idle again or ends within `timeout`.
    void check(Duration timeout);
    /// The holder gives it back at rest: Idle, BeingCanceled, or Cleaning for a session's reset.
    void come_back();
    /// The holder leaves it in mid-transaction: rolled back where that is safe, else closed.
    /// @param is_frame_open part of a client's message has been sent
    enum class Frame : std::uint8_t { Whole, Open };
    /// Orderly: the client said goodbye behind its last statement, which runs to its end as on a
    /// direct connection. Vanished: nobody knows what it wanted, so what still runs is cancelled.
    enum class Departure : std::uint8_t { Orderly, Vanished };
    void abandon(Frame frame, Departure departure);

    void cancel_began() { ++cancels_; }
    enum class CancelOutcome : std::uint8_t { Certain, Uncertain };
    /// @param outcome Uncertain: the request may still arrive at any time, so this backend must not
    /// be used again
    void cancel_ended(CancelOutcome outcome);
    void close();
    /// Ends it at once; whoever holds it is told.
    void kill();
    /// The connection is of no more use: tells the holder, if there is one, and ends.
    void lose(SqlState sqlstate, std::string message);

    /// @return whether the other end has closed it, said that it will, or does not answer
    [[nodiscard]] bool has_lost_server() const { return has_lost_server_ || last_words_; }

    [[nodiscard]] ParkedBackend park();

    // Relaying: for the holder.
    /// Brings the session's settings to `wanted`.
    /// @return true when they already are; else on_prepared() or on_prepare_failed() follows
    [[nodiscard]] bool prepare(const SettingsPtr& wanted);

    /// What the holder sends besides statements may take this long on the server (zero: as long as
    /// it likes); holds until the backend goes back. Statements have the time that their plan says.
    /// What takes longer is cancelled, and the client hears 57014; where the cancel does not help
    /// within five seconds the backend is lost. Each statement has a time of its own.
    void limit_statements(Duration limit);

    /// @return whether a cancel of ours may hit what is sent now
    [[nodiscard]] bool is_cancel_on_its_way() const {
        return time_limit_.is_cancelling || time_limit_.is_overdue;
    }

    /// A statement goes out with the next send(): LeaseHolder::on_run_end() tells of its end.
    void will_run(protocol::FrontendMessage type, StatementRun&& run);

    /// @return whether what comes next has to wait, lest it runs behind what exceeds its limits
    [[nodiscard]] bool holds_line(protocol::FrontendMessage next) const;

    [[nodiscard]] bool has_runs() const { return !runs_.empty(); }

    /// @return those under way, as far as they have come, oldest first: for a holder that leaves
    [[nodiscard]] std::vector<StatementRun> take_runs();

    /// What its holder's names stand for.
    [[nodiscard]] Tickets& tickets() { return tickets_; }

    /// A message of this type goes out with the next send().
    void will_send(protocol::FrontendMessage type) {
        will_send(protocol::ExpectedReply{.request = type});
    }

    void will_send(const protocol::ExpectedReply& request);
    void send(const net::WriteBatch& batch);

    // What the session is left with: for the holder (backend_audit.cpp).
    /// What goes out next may leave these behind. A backend that comes back under suspicion is
    /// reset before anybody else is lent it.
    /// @param known its words say so
    /// @param unknown it may do so where it cannot be seen
    void suspect(SessionEffects known, SessionEffects unknown);

    [[nodiscard]] SessionTraces& traces() { return traces_; }

    /// @return whether on_reply_end() is still to come
    [[nodiscard]] bool has_untold_end() const { return ready_seen_; }

    /// Looks what there is of what is suspected; on_audited() follows unless the lease ends before.
    /// To be called at rest. What is sent meanwhile is answered behind it.
    /// @param custom_settings names of settings that PostgreSQL does not list
    void audit(const std::vector<std::string>& custom_settings);
    /// The same, but asks the database's catalog: what is suspected stays so.
    void audit(std::unique_ptr<CatalogQuestion> catalog);

    /// The session may be left with what no look at it shows: a setting with a dot in its name, the
    /// seed. It is taken away before the backend is lent again.
    void expect_unlisted() { has_unlisted_ = true; }

    /// What goes out next may change functions, once the transaction is committed.
    void expect_catalog_change();

    /// Sets settings in the holder's name behind what it sends itself, where a RESET of it leads to
    /// another value than it would directly.
    void reapply(const SettingsMap& settings, Reapply how);

    /// Forgets what nextval() has returned here, so that nobody reads what was another's: between
    /// two batches of the holder's, or within one that has begun.
    void forget_sequences(RequestBatch& batch);

    // Named statements: for the holder (backend_prepared.cpp).
    /// Adds to `batch` what it takes for the backend to have the statement.
    void ensure(const StatementPtr& statement, RequestBatch& batch);

    /// @return the epoch that what is prepared now belongs to: the next one already where the
    /// holder's open transaction has changed the schema (when it ends there are two new ones: what
    /// was prepared within it is nobody else's, since it may be rolled back)
    [[nodiscard]] std::uint64_t schema_epoch() const;

    /// The client's own Parse of it: sent with `batch`, or answered by us where the backend has it.
    void parse(const StatementPtr& statement, RequestBatch& batch);

    /// @return whether it hangs on an answer still to come if the backend will have this statement
    [[nodiscard]] bool is_unsettled(ByteView definition) const {
        return statements_ != nullptr && statements_->is_unsettled(definition);
    }

    /// A Sync or a simple Query of the holder is being sent.
    void end_batch(protocol::FrontendMessage type);

    /// Sends a statement in place of a DEALLOCATE of the holder's: the holder alone forgets what
    /// others go on using, and hears what a DEALLOCATE would have answered.
    /// @param before, after what stands around it in its string
    void deallocate(std::string_view before, std::string_view after, RequestBatch& batch);
    /// The same for a Parse, without a name, of a DEALLOCATE.
    /// @param action Forward: the client's own, two changes of its list are noted; Prepare: put
    /// back where another client's has been
    void parse_deallocate(protocol::ReplyAction action, RequestBatch& batch);

    /// Puts the holder's unnamed statement back.
    void parse_unnamed(const Statement& statement, RequestBatch& batch);

    /// @return how many named statements the backend has prepared
    [[nodiscard]] std::size_t statement_count() const {
        return statements_ == nullptr ? 0 : statements_->size();
    }

    /// @return whether the unnamed statement here is known to be the holder's
    [[nodiscard]] bool has_holders_unnamed() const { return holder_has_unnamed_; }

    /// The holder has another one by now, or none.
    void forget_holders_unnamed() { holder_has_unnamed_ = false; }

    /// The client gets the answer to this request from us, once all before it is answered.
    void answer(const protocol::ExpectedReply& request);
    /// Makes the backend fail in place of a request that we refuse, so that it skips what follows
    /// and undoes what came before exactly as if the error were its own.
    /// LeaseHolder::on_refusal_due() follows unless an earlier error comes first.
    void refuse(RequestBatch& batch);
    /// The same for a simple Query or a FunctionCall.
    void refuse_query(RequestBatch& batch);
    /// The same for a Parse whose name is taken, by `taken`: PostgreSQL looks at the text first, so
    /// it may find an error of its own.
    /// @param definition the message's body behind the name
    void refuse_parse(const StatementPtr& taken, ByteView definition, RequestBatch& batch);

    /// Keeps the replies to the request that is sent next back until it is known that it need not
    /// be run once more; else LeaseHolder::on_taken_back(). See ReplyHold::begin().
    void hold_back(const ReplyHold::Wish& wish) { reply_hold_.begin(wish); }

    /// @return whether the holder hears all of it now; false: it has been taken back already
    [[nodiscard]] bool stop_holding_back() {
        let_go();
        return !reply_hold_.is_on();
    }

    [[nodiscard]] bool is_full() const { return stream_->is_full(); }

    /// While the result is there nothing is sent.
    [[nodiscard]] std::shared_ptr<net::HeldOutput> hold() { return stream_->hold_output(); }

    void pause_replies();
    void resume_replies();

    /// The client's settings now, as its own statements changed them on this backend.
    void set_applied(const SettingsPtr& applied) { applied_ = applied; }

    [[nodiscard]] const SettingsPtr& applied() const { return applied_; }

    /// @return the clients' settings that its session began with
    [[nodiscard]] const SettingsPtr& startup() const { return startup_; }

    /// Asks for LeaseHolder::on_progress() after the next read.
    void tell_progress() { is_progress_wanted_ = true; }

    /// @return whether nothing is owed, no transaction is open and no message is half way through
    [[nodiscard]] bool is_at_rest() const;

    /// @return whether anything is owed but the answer to a question of our own
    [[nodiscard]] bool owes_holder() const {
        return expected_.size() > (audit_ != nullptr ? 1U : 0U);
    }

    /// @return whether a question of our own is under way behind the holder's requests
    [[nodiscard]] bool is_auditing() const { return audit_ != nullptr; }

    [[nodiscard]] bool is_mid_frame() const { return body_left_ > 0 && is_forwarding_; }

    [[nodiscard]] const protocol::ExpectedReplies& owed() const { return expected_; }

    [[nodiscard]] protocol::TransactionStatus transaction_status() const { return status_; }

    /// @return whether the read under way ended inside a message: then the socket must stay on this
    /// loop
    [[nodiscard]] bool has_partial_frame() const { return has_partial_frame_ || body_left_ > 0; }

    [[nodiscard]] BackendState state() const { return state_; }

    [[nodiscard]] std::uint64_t id() const { return id_; }

    [[nodiscard]] std::uint32_t process_id() const { return process_id_; }

    [[nodiscard]] const std::vector<std::byte>& cancel_secret() const { return cancel_secret_; }

    [[nodiscard]] const ReportedParameters& parameters() const { return parameters_; }

    [[nodiscard]] int cancels() const { return cancels_; }

    [[nodiscard]] TimePoint opened_at() const { return opened_at_; }

    [[nodiscard]] TimePoint idle_since() const { return idle_since_; }

    [[nodiscard]] TimePoint busy_since() const { return busy_since_; }

    [[nodiscard]] TimePoint retire_at() const { return retire_at_; }

    void set_retire_at(TimePoint when) { retire_at_ = when; }

    [[nodiscard]] std::uint64_t generation() const { return generation_; }

    void set_generation(std::uint64_t generation) { generation_ = generation; }

    [[nodiscard]] const LeaseHolder* holder() const { return holder_; }

    /// @return null without TLS
    [[nodiscard]] const net::TlsChannel* tls() const {
        return stream_ != nullptr ? stream_->tls() : nullptr;
    }

    /// An operator stops all traffic, or lets it go on: nothing is read, what is unsent still goes.
    void suspend(bool is_suspended);

    [[nodiscard]] std::size_t unread() const { return stream_ != nullptr ? stream_->unread() : 0; }

    /// @return bytes to come of the message that is passing through
    [[nodiscard]] std::size_t left_of_frame() const { return body_left_; }

    [[nodiscard]] std::size_t unsent() const { return stream_ != nullptr ? stream_->unsent() : 0; }

    [[nodiscard]] int fd() const { return stream_ != nullptr ? stream_->fd() : -1; }

private:
    /// What becomes of a reply. Warn: Forward, behind a warning of ours; Reword, Settle: the error
    /// of a statement that took too long, the end of a result that was cut, told in our words.
    enum class Treatment : std::uint8_t {
        Forward,
        Warn,
        Drop,
        Replace,
        Reword,
        Settle,
        Incomplete,
        Broken
    };

    /// How much may be unsent towards a backend before its client is paused.
    static constexpr std::size_t kUnsentMax = std::size_t{256} * 1024;

    std::size_t on_bytes(ByteView bytes) override;
    void on_drained() override;
    void on_closed(const Error& reason) override;
    void on_deadline(net::Deadline& deadline) override;

    void transition(BackendEvent event);

    // From dialling to the first rest (backend_dial.cpp).
    void dial();
    void on_connected(Result<net::Fd> result);
    void on_tls_answer(TlsAnswer answer);
    void on_secured() override;
    void begin_login();
    [[nodiscard]] bool may_redial(SqlState refusal) const;
    void redial();
    enum class Finality : std::uint8_t { Final, MayChange };
    void refuse_login(const std::string& why, Finality finality);
    void on_closed_early(const Error& reason);
    [[nodiscard]] LoginFailure network_failure(const Error& error) const;
    std::size_t log_in(ByteView bytes);
    void advance_login(BackendLogin::Status status, const ByteWriter& output);
    void derive_keys();
    void finish_login();

    std::size_t relay(ByteView bytes);
    [[nodiscard]] Treatment begin_frame(ByteView rest);
    [[nodiscard]] Treatment take_reply(protocol::BackendMessage type, std::optional<ByteView> body);
    void pass_on(ByteView part, net::WriteBatch& batch);
    [[nodiscard]] bool has_failed_to_clean(protocol::ReplyVerdict verdict) const;
    [[nodiscard]] Treatment look_into(protocol::BackendMessage type,
                                      ByteView body,
                                      protocol::ReplyVerdict verdict);
    [[nodiscard]] bool is_last_word(ByteView body);
    [[nodiscard]] Treatment on_error_message(ByteView body, protocol::ReplyVerdict verdict);
    [[nodiscard]] Treatment on_ready(ByteView body, protocol::ReplyVerdict verdict);
    void on_parameter(ByteView body, protocol::ReplyVerdict verdict);
    void on_command_complete(ByteView body, protocol::ReplyVerdict verdict);
    void deliver(net::WriteBatch& batch);
    void act_on(Treatment treatment, ByteView message, net::WriteBatch& batch);
    [[nodiscard]] bool is_taken_back(ByteView message, net::WriteBatch& batch);
    [[nodiscard]] bool tell_taken_back();
    void let_go();
    void tell_error(ByteView message);
    void end_of_read();
    void forget_statements(protocol::ReplyVerdict verdict);
    void doubt_statements(ByteView body);
    void finish_prepare();
    void send_swallowed(const ByteWriter& output);
    void finish_connect_query();
    void settle_noted();
    [[nodiscard]] Treatment refused(SqlState sqlstate);
    void tell_refusal(ByteView error);
    void give_answers(net::WriteBatch& batch);
    void send_parse(const StatementPtr& statement,
                    const protocol::ExpectedReply& expected,
                    RequestBatch& batch);
    void close_gone(RequestBatch& batch);
    void close_statement(const StatementPtr& statement, RequestBatch& batch);
    [[nodiscard]] BackendStatements& statements();

    // Statements that take too long (backend_timeout.cpp).
    void begin_statement();
    void end_statement(protocol::BackendMessage reply);
    void forget_statement_limit();
    void on_statement_deadline();
    [[nodiscard]] bool watch_reply(protocol::BackendMessage type,
                                   const std::optional<ByteView>& body,
                                   std::size_t owed_before);
    void cancel_statement();
    void ask_for_cancel();
    void cancel_orphan();
    void tell_timeout();
    void settle_timeout(CancelOutcome outcome);
    [[nodiscard]] std::string_view cancel_text() const;
    [[nodiscard]] Duration limit_of_current() const;

    // What statements return (backend_runs.cpp).
    [[nodiscard]] Treatment rule(protocol::BackendMessage type,
                                 const std::optional<ByteView>& body);
    void blame(const std::optional<ByteView>& error,
               protocol::ReplyVerdict verdict,
               std::size_t statements_before,
               const protocol::ExpectedReply& answered);
    void note_wait(StatementRun& run) const;
    [[nodiscard]] bool runs_alone() const;
    [[nodiscard]] bool could_be_hit() const;
    void cut_off();
    void tell_cut(ByteView message);
    void tell_too_large();
    void fail_late();
    [[nodiscard]] bool must_fail_now(protocol::ReplyVerdict verdict);
    void settle_runs();
    void tell_ended();
    void forget_runs();

    void ask(std::string_view sql);
    void note_tag(std::string_view tag);
    [[nodiscard]] bool is_audit_row(protocol::BackendMessage type,
                                    const protocol::FrameHeader& header);
    void finish_audit();
    void begin_audit();
    void forget_unlisted();
    [[nodiscard]] bool reset_suspected();
    void end_unfinished();
    void clean_on();
    void end(const LoginFailure* failure);

    Environment env_;
    std::uint64_t id_;
    BackendState state_ = BackendState::Connecting;
    std::unique_ptr<DialRequest> request_;  // until logged in
    std::unique_ptr<BackendLogin> login_;   // while logging in
    std::unique_ptr<net::Connector> connector_;
    std::unique_ptr<net::Stream> stream_;
    net::Deadline deadline_{*this};
    std::shared_ptr<int> alive_ = std::make_shared<int>(0);  // background work asks before it calls

    LeaseHolder* holder_ = nullptr;
    protocol::ExpectedReplies expected_;
    protocol::TransactionStatus status_ = protocol::TransactionStatus::Idle;
    std::size_t body_left_ = 0;  // of the frame that is passing through
    bool is_forwarding_ = false;
    ReplyHold reply_hold_;
    bool has_partial_frame_ = false;
    bool ready_seen_ = false;  // and not told yet
    bool is_progress_wanted_ = false;
    bool has_parsed_ = false;  // a named statement, since the last time nothing was owed
    int settings_owed_ = 0;    // ReadyForQuery still to come from prepare()
    SettingsPtr wanted_;
    std::optional<protocol::ErrorFields> prepare_error_;
    std::optional<protocol::ErrorFields> last_words_;  // a FATAL that was not passed on
    SettingsPtr startup_;
    SettingsPtr applied_;                            // nullptr: unknown
    std::unique_ptr<BackendStatements> statements_;  // made when first needed
    bool holder_has_unnamed_ = false;
    bool has_changed_schema_ = false;  // by what is not committed yet
    /// What the holder has used was prepared at lower ones; only when it was prepared since the
    /// last change seen does its failure tell of another.
    std::uint64_t epoch_limit_ = 0;
    std::size_t discarded_ = 0;  // bytes of replies nobody is there for
    bool is_reset_pending_ = false;
    SessionTraces traces_;
    bool has_unlisted_ = false;
    std::unique_ptr<DatabaseKnowledge::Change> catalog_change_;  // not committed yet
    std::unique_ptr<SessionAudit> audit_;                        // under way
    int cancels_ = 0;
    bool must_end_ = false;
    bool has_server_closed_ = false;
    bool has_lost_server_ = false;
    TimeLimit time_limit_;
    StatementRuns runs_;
    std::vector<StatementRun> ended_;  // and not told yet
    Tickets tickets_;
    TimePoint lent_at_{};
    std::size_t runs_in_batch_ = 0;  // since the last ReadyForQuery behind which nothing was owed
    bool must_fail_ = false;         // an open transaction, once it says that it is ready
    bool is_failing_ = false;
    TimePoint blocked_since_ = kNever;  // by a client that takes no more

    std::uint32_t process_id_ = 0;
    std::vector<std::byte> cancel_secret_;
    ReportedParameters parameters_;
    TimePoint opened_at_{};
    TimePoint idle_since_{};
    TimePoint busy_since_{};
    TimePoint retire_at_ = kNever;
    std::uint64_t generation_ = 0;
};

}  // namespace weir::pool
