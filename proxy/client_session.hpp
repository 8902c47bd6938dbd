#pragma once

#include "base/clock.hpp"
#include "base/intrusive_list.hpp"
#include "base/status.hpp"
#include "net/socket.hpp"
#include "net/stream.hpp"
#include "net/timing_wheel.hpp"
#include "pool/backend.hpp"
#include "pool/budget.hpp"
#include "pool/lease_holder.hpp"
#include "pool/pool.hpp"
#include "pool/request_batch.hpp"
#include "pool/session_settings.hpp"
#include "protocol/frame.hpp"
#include "protocol/startup.hpp"
#include "protocol/statement_reference.hpp"
#include "proxy/cancel_key.hpp"
#include "proxy/client_extras.hpp"
#include "proxy/client_login.hpp"
#include "proxy/client_state.hpp"
#include "proxy/client_statements.hpp"
#include "proxy/client_tally.hpp"
#include "proxy/console.hpp"
#include "proxy/request_judge.hpp"
#include "proxy/session_state.hpp"
#include "proxy/statement_desk.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sql/hint.hpp"

namespace weir::sql {

struct SessionFacts;
struct StatementFacts;

}  // namespace weir::sql

namespace weir::proxy {

class Worker;

/// One client connection from accept to close.
///
/// Owned by its Worker, lives on that worker's loop. It holds a backend while a transaction (in
/// session mode: the session) is under way, and next to no memory while idle. Ends by close(),
/// fatal() or the client's leaving; the worker deletes it in a later turn.
class ClientSession final : public ListNode<ClientSession>,
                            private net::StreamListener,
                            private net::DeadlineListener,
                            public pool::LeaseHolder {
public:
    ClientSession(Worker& worker, net::Fd fd, std::uint64_t id, OwnSessionPtr own = nullptr);
    ClientSession(const ClientSession&) = delete;
    ClientSession& operator=(const ClientSession&) = delete;
    ClientSession(ClientSession&&) = delete;
    ClientSession& operator=(ClientSession&&) = delete;
    ~ClientSession();

    /// A cancel request with this client's key has come.
    /// @param on_done runs once the request has done its work or was found to have nothing to do
    void cancel(std::function<void()> on_done);
    /// The process is to end: idle clients are told so now, others once they are at rest.
    void drain();
    /// Tells the client the end (unless it is in the middle of a message) and closes.
    void fatal(SqlState sqlstate, std::string message);
    void fatal(const protocol::ErrorFields& fields);
    /// Ends it at once, whatever it is still to be told.
    void close();
    /// The configuration has changed.
    void refresh();
    /// What it waits for before its request is run once more is over.
    void end_pause();

    // Orders of operators (client_orders.cpp).
    /// SUSPEND, or the end of it: Worker::is_suspended() tells which.
    void suspend_or_resume();
    /// @return whether everything for it and from it has been sent
    [[nodiscard]] bool is_flushed() const;
    /// Ends it without a word.
    void drop();

    [[nodiscard]] bool is_console() const { return console() != nullptr; }

    /// @return nullptr: its client is another program
    [[nodiscard]] OwnSession* own() const { return extras_ ? extras_->own.get() : nullptr; }

    void unlink_from_worker() { ListNode<ClientSession>::unlink(); }

    [[nodiscard]] std::uint64_t id() const { return id_; }

    [[nodiscard]] std::uint64_t client_id() const override { return id_; }

    [[nodiscard]] const std::string& user() const;

    [[nodiscard]] bool is_logged_in() const { return cancel_pid_ != 0; }

    [[nodiscard]] ClientState state() const { return state_; }

    /// @return whether part of its session is on its backend alone, which it therefore keeps
    [[nodiscard]] bool is_pinned() const;

    [[nodiscard]] CancelKey cancel_key() const;

    [[nodiscard]] const pool::Pool* pool() const { return pool_; }

    [[nodiscard]] status::Connection describe(TimePoint now) const;

private:
    friend class ClientCache;  // a part of it
    enum class Treatment : std::uint8_t { Forward, Drop, Hold, Stop };

    /// What becomes of the message that begins now.
    struct Begun {
        Treatment treatment = Treatment::Hold;
        std::size_t used = 0;  ///< bytes of it that are dealt with; the rest is treated as said
    };

    // Life (client_session.cpp)
    std::size_t on_bytes(ByteView bytes) override;
    void on_drained() override;
    void on_closing() override;
    void on_closed(const Error& reason) override;
    void end_because(SqlState sqlstate, std::string_view why);
    void on_deadline(net::Deadline& deadline) override;
    void transition(ClientEvent event);
    void send(const ByteWriter& writer);
    void leave_backend(pool::Backend::Departure departure);
    void close_when_sent();
    void set_idle_deadline();
    [[nodiscard]] bool is_idle_with_backend() const;
    void read_limits();
    [[nodiscard]] std::size_t hold(ByteView bytes);
    void resume_held();

    // Login (client_login.cpp)
    [[nodiscard]] std::size_t read_startup(ByteView bytes);
    [[nodiscard]] std::size_t read_proxy_header(ByteView bytes);
    [[nodiscard]] net::SocketName client_name() const;
    void add_host_to_name();
    [[nodiscard]] ClientFacts facts() const;
    [[nodiscard]] std::size_t go_on(ByteView bytes, std::size_t used);
    void on_startup(const protocol::StartupPacket& packet, ByteView rest);
    void on_cancel_request(const protocol::StartupPacket& packet);
    void begin_login(const protocol::StartupPacket& packet);
    [[nodiscard]] std::size_t read_password(ByteView bytes);
    void advance_auth(ClientAuth::Status status, const ByteWriter& output);
    void hash();
    void look_up();
    void on_authenticated();
    void open_console(ConsoleClient::Proof proof);
    void enter_pool(const conf::Config& config, const conf::DatabaseSettings& database);
    [[nodiscard]] bool take_places(const conf::Config& config,
                                   const conf::DatabaseSettings& database);
    void send_welcome(const pool::ReportedParameters& parameters);
    void send_own_welcome();
    void end_login(ByteWriter& output);
    void refuse_login(const pool::LoginFailure& failure);
    [[nodiscard]] pool::SettingsPtr welcome_settings() const;
    void login_failed(SqlState sqlstate, std::string message, const char* reason);
    void note_failed_login(const char* reason, std::string_view message) const;

    // TLS (client_tls.cpp)
    [[nodiscard]] bool offers_tls() const;
    [[nodiscard]] bool is_tls_hello(std::byte first) const;
    void on_encryption_request(protocol::StartupKind kind, ByteView rest);
    void begin_tls(ByteView rest);
    void begin_direct_tls(ByteView received);
    void on_secured() override;
    void note_failed_handshake();
    [[nodiscard]] bool is_secure_enough(const ClientFacts& facts);

    // Relay (client_relay.cpp)
    [[nodiscard]] std::size_t relay(ByteView bytes);
    [[nodiscard]] Begun begin_frame(ByteView rest);
    [[nodiscard]] std::optional<Begun> hold_back(const protocol::FrameHeader& header,
                                                 ByteView rest,
                                                 protocol::StatementReference& reference);
    [[nodiscard]] Begun begin_forwarding(const protocol::FrameHeader& header,
                                         const protocol::StatementReference& reference,
                                         ByteView rest);
    [[nodiscard]] Begun forward_unnamed(const protocol::FrameHeader& header, ByteView rest);
    [[nodiscard]] Begun forward_run(const protocol::FrameHeader& header, ByteView rest);
    [[nodiscard]] bool is_out_of_turn(const protocol::FrameHeader& header) const;
    [[nodiscard]] bool must_wait(const protocol::FrameHeader& header);
    [[nodiscard]] Begun wait_for_answers();
    void separate_statements(protocol::FrontendMessage type);
    [[nodiscard]] bool check_header(const protocol::FrameHeader& header);
    [[nodiscard]] Treatment treatment_of(const protocol::FrameHeader& header, ByteView rest);
    [[nodiscard]] Treatment begin_without_backend(protocol::FrontendMessage type, ByteView rest);
    [[nodiscard]] Treatment want_backend(protocol::FrontendMessage type, ByteView rest);
    [[nodiscard]] Treatment skip(protocol::FrontendMessage type);
    void count(protocol::FrontendMessage type);
    void flush_to_backend(pool::RequestBatch& batch);
    void return_backend();
    [[nodiscard]] bool takes_another_backend();
    void maybe_give_back();
    void give_back();
    void settle_at_rest();
    [[nodiscard]] bool is_through() const;
    void came_to_rest();
    void end_if_draining();
    void answer_refused(const protocol::ErrorFields& error);
    void refuse_request(const protocol::ErrorFields& error);
    void refuse_open_transaction();
    void watch_transaction();
    void note_statement(const protocol::FrameHeader& header,
                        const protocol::StatementReference& reference,
                        ByteView rest);
    [[nodiscard]] Console* console() const;
    [[nodiscard]] std::size_t feed_console(ByteView bytes);
    void on_console_ready();

    // Named statements (client_prepared.cpp)
    [[nodiscard]] bool carries_statements() const;
    [[nodiscard]] Begun begin_named(const protocol::FrameHeader& header,
                                    const protocol::StatementReference& reference,
                                    ByteView rest);
    [[nodiscard]] Begun parse_named(const protocol::StatementReference& reference, ByteView body);
    [[nodiscard]] Begun refer_to_named(const protocol::FrameHeader& header,
                                       const protocol::StatementReference& reference,
                                       ByteView portal,
                                       ByteView rest);
    [[nodiscard]] Begun begin_unnamed(const protocol::FrameHeader& header, ByteView rest);
    void parse_unnamed(const protocol::FrameHeader& header, ByteView rest);
    [[nodiscard]] bool must_settle_first(const protocol::FrameHeader& header,
                                         const protocol::StatementReference& reference,
                                         ByteView rest) const;
    void close_named(std::string_view name);
    void deallocate_named(std::string_view name, ByteView body);
    [[nodiscard]] std::optional<std::string> name_deallocated_by(
        const protocol::FrameHeader& header, ByteView rest) const;
    [[nodiscard]] protocol::StatementReference reference_of(const protocol::FrameHeader& header,
                                                            ByteView rest);
    void end_batch(protocol::FrontendMessage type);
    [[nodiscard]] Begun refuse_named(protocol::ErrorFields why);
    [[nodiscard]] ClientStatements& statements();
    [[nodiscard]] const pool::SettingsPtr& settings_for_reading();
    void forget_uncertainty();
    void forget_pending_statements();
    void go_on_settled();
    void on_noted(const protocol::NotedOutcome& told) override;
    void on_refusal_due(ByteView error) override;
    void on_statements_forgotten() override;

    // What it leaves in its session (client_carry.cpp)
    [[nodiscard]] bool carries_state() const;
    [[nodiscard]] SessionState& session_state();
    [[nodiscard]] bool keeps_backend() const;
    [[nodiscard]] bool awaits_whole_text(const protocol::FrameHeader& header, ByteView rest) const;
    [[nodiscard]] Begun forward_query(const protocol::FrameHeader& header, ByteView rest);
    [[nodiscard]] pool::SettingsPtr settings_after_reset(std::string_view name);

    // What holds for its statements (client_policy.cpp)
    void enter_context(std::string_view database, std::string_view application);
    void leave_context();
    void set_settings(pool::SettingsPtr settings);
    [[nodiscard]] bool follows_statements() const;
    [[nodiscard]] bool has_time_limits() const;
    [[nodiscard]] bool may_refuse_message(const protocol::FrameHeader& header) const;
    [[nodiscard]] StatementText statement_text(std::string_view text, std::uint64_t digest);
    [[nodiscard]] StatementRuling ruling_for(std::string_view text, std::uint64_t digest);
    [[nodiscard]] pool::StatementTicket ticket_of(StatementRuling ruling);
    [[nodiscard]] pool::StatementTicket ticket_for(std::string_view text, std::uint64_t digest);
    [[nodiscard]] pool::StatementTicket ticket_for(std::string_view text);
    [[nodiscard]] pool::StatementTicket ticket_for(const pool::Statement& statement);
    [[nodiscard]] pool::StatementTicket special_ticket(std::string_view, const policies::PlanPtr&);
    [[nodiscard]] pool::StatementTicket unread_ticket(std::string_view name);
    [[nodiscard]] pool::StatementTicket ticket_of_definition(std::string_view name);
    [[nodiscard]] pool::StatementTicket ticket_of_message(const protocol::FrameHeader& header,
                                                          ByteView rest);
    void bind_portal(std::string_view portal,
                     pool::StatementTicket ticket,
                     const protocol::FrameHeader& header,
                     ByteView rest);
    void run_statement(protocol::FrontendMessage type, pool::StatementTicket&& ticket);
    void note_parse(const protocol::FrameHeader& header, ByteView rest);
    void note_unnamed(pool::StatementTicket ticket);
    [[nodiscard]] std::optional<protocol::ErrorFields> note_bind(
        const protocol::FrameHeader& header, ByteView rest);
    [[nodiscard]] std::optional<protocol::ErrorFields> refusal_of(
        const pool::StatementTicket& ticket);
    [[nodiscard]] bool awaits_policy(protocol::FrontendMessage type) const;
    [[nodiscard]] std::optional<protocol::ErrorFields> refusal_of_message(
        const protocol::FrameHeader& header, ByteView rest);
    [[nodiscard]] bool is_replication_held() const;
    [[nodiscard]] bool exceeds_rate();
    [[nodiscard]] std::optional<Begun> refuse_message(const protocol::FrameHeader& header,
                                                      ByteView rest);
    [[nodiscard]] bool is_text_known_plain();
    [[nodiscard]] TextReading text_reading();
    [[nodiscard]] bool is_reading_in_doubt() const;
    [[nodiscard]] bool awaits_reading(protocol::FrontendMessage next) const;

    // Cursors (client_cursors.cpp)
    void look_for_cursor(const sql::CursorUse& use, pool::StatementTicket& ticket);
    [[nodiscard]] std::shared_ptr<pool::ResultSoFar> forgotten_result();
    void follow_run(const pool::StatementTicket& ticket);

    // What keeps a session that may only read from writing (client_read_only.cpp)
    [[nodiscard]] pool::SettingsPtr allowed_settings(pool::SettingsPtr settings);
    void enforce_read_only();
    [[nodiscard]] bool end_if_lifted();
    [[nodiscard]] bool may_lift_read_only() const;
    void give_settings_back(const pool::SettingsMap& settings);
    [[nodiscard]] pool::SettingsPtr settings_lifted_by(const pool::StatementTicket& ticket);
    [[nodiscard]] Begun forward_reset(const protocol::FrameHeader& header,
                                      ByteView rest,
                                      const pool::SettingsMap& settings);
    void watch_portal(const pool::StatementTicket* ticket);
    void watch_execute();
    void forget_reset();
    [[nodiscard]] std::optional<protocol::ErrorFields> refusal_of_reset(
        protocol::FrontendMessage type, const pool::StatementTicket* parsed) const;
    [[nodiscard]] bool awaits_settings() const;

    // Who is told of its statements (client_told.cpp)
    void on_run_end(pool::StatementRun& run) override;
    [[nodiscard]] pool::StatementRun run_of_parse() override;
    void tell_run(const pool::StatementRun& run, const std::string& member, TimePoint taken_at);
    void tell_drained();
    void tell_refused(const pool::StatementTicket& ticket, const protocol::ErrorFields& why);
    void tell_unanswered(const std::vector<pool::StatementRun>& runs,
                         const protocol::ErrorFields& why);
    void tell_left(pool::Backend::Departure departure);
    [[nodiscard]] protocol::Noted noted_of(const protocol::FrameHeader& header, ByteView rest);
    void settle_parsing(protocol::NotedOutcome& outcome);
    void tell_unserved(const protocol::FrameHeader& header, ByteView rest);
    [[nodiscard]] pool::StatementTicket ticket_unserved(const protocol::FrameHeader& header,
                                                        ByteView rest);
    void tell_session();
    void tell(const pool::StatementTicket& ticket, ledger::Statement& statement);
    void keep(const pool::StatementTicket& ticket, ledger::Statement& statement, bool is_kept);
    [[nodiscard]] bool is_to_be_explained(const pool::StatementTicket& ticket,
                                          const ledger::Statement& statement,
                                          pool::Pool& ran_on);
    [[nodiscard]] const std::string& member_now() const;
    [[nodiscard]] pool::Pool* pool_of(const std::string& member);
    void log_statement(const pool::StatementTicket& ticket, const ledger::Statement& statement);

    // What functions do in its name (client_judged.cpp).
    [[nodiscard]] RequestJudge& request_judge() const;
    void learn_names(const sql::SessionFacts& facts);
    [[nodiscard]] std::uint64_t context_of_names() const;
    void judge(const RequestEffects& effects, std::string_view text);
    void suspect(pool::Traits traits);
    void suspect_changed();
    [[nodiscard]] std::vector<std::string> names_to_ask() const;
    [[nodiscard]] std::unique_ptr<pool::CatalogQuestion> catalog_question() const;

    [[nodiscard]] const RequestEffects& effects_of(const pool::Statement& statement);
    void observe_statement(const pool::Statement& statement);
    void observe_unnamed(const protocol::FrameHeader& header, ByteView rest);
    void observe_function_call();
    void observe_query(std::string_view text);
    void observe(const RequestEffects& effects, std::string_view text);
    void doubt_reading();
    void observe_sequences(const RequestEffects& effects);
    void note_reset(const sql::SessionFacts& facts);
    [[nodiscard]] bool awaits_reset() const;
    [[nodiscard]] bool has_reset_due() const;
    void settle_reset();
    void undo_settings();
    [[nodiscard]] bool is_text_plain() const;
    void suspect_unseen(SessionEffects effects, std::uint64_t digest, std::string_view text);
    [[nodiscard]] bool audit();
    void suspect_pins();
    void take_over(const pool::AuditResult& result);
    void pin(SessionEffects reasons);
    void on_audited(const pool::AuditResult& result) override;
    [[nodiscard]] pool::SettingsPtr wanted_startup() const override;

    // Where its requests run (client_route.cpp)
    [[nodiscard]] ClientExtras& extras();
    [[nodiscard]] ClientRoute* route() const;
    void read_routing();
    [[nodiscard]] pool::Pool& lender() const;
    [[nodiscard]] pool::Pool& end_lease() const;
    [[nodiscard]] bool is_at_replica() const;
    [[nodiscard]] pool::Pool* choose_lender(ByteView rest);
    [[nodiscard]] bool may_call_primary();
    [[nodiscard]] policies::CallPermit begin_call(const std::shared_ptr<pool::MemberLoad>& member);
    void end_call(policies::CallEnd how);
    void forget_call();
    void end_refused_call(const pool::LoginFailure& reason);
    [[nodiscard]] bool choose_replica();
    [[nodiscard]] bool may_trust_catalog(const pool::ClusterView& view);
    void settle_retry(pool::RetryOutcome outcome);
    [[nodiscard]] std::size_t look_ahead(ByteView rest);
    [[nodiscard]] std::size_t look_ahead_to_sync(ByteView rest);
    struct BatchLook;
    [[nodiscard]] bool look_at(const protocol::FrameHeader& header,
                               ByteView message,
                               BatchLook& look);
    [[nodiscard]] bool look_at_parse(const protocol::FrameHeader& header,
                                     ByteView message,
                                     BatchLook& look);
    [[nodiscard]] bool look_at_use(const protocol::StatementReference& reference, BatchLook& look);
    [[nodiscard]] bool knows_name(const protocol::StatementReference& reference) const;
    [[nodiscard]] bool is_read(std::string_view text);
    [[nodiscard]] sql::RouteHint wanted_route(std::string_view text, std::uint64_t digest);
    [[nodiscard]] bool begins_read_only_by_default(const sql::StatementFacts& facts) const;
    [[nodiscard]] bool is_behind_read();
    void note_consumed(std::size_t bytes);
    void note_rest();

    // What is run once more (client_retry.cpp)
    void hold_replies_back();
    void run_again(pool::RetryKind kind, Duration wait);
    void ask_again();
    void look_elsewhere();
    void note_loss(const pool::BackendLoss& loss);
    [[nodiscard]] bool survives_loss(const pool::BackendLoss& loss);
    [[nodiscard]] bool is_in_recovery(const std::string& member);
    void on_taken_back(const pool::TakenBack& reason) override;
    void on_error(const protocol::ErrorView& error) override;
    [[nodiscard]] bool replay();

    // pool::LeaseHolder (client_lease.cpp)
    [[nodiscard]] std::shared_ptr<net::HeldOutput> hold_replies() override;
    [[nodiscard]] int priority() const override;
    [[nodiscard]] std::string_view application() const override;
    void on_lease(pool::Backend& backend, Duration waited) override;
    void on_refused(const pool::LoginFailure& reason) override;
    void on_long_wait() override;
    void on_prepared() override;
    void on_prepare_failed(const protocol::ErrorFields& reason) override;
    void on_reply(const net::WriteBatch& batch) override;
    void on_reported(std::string_view lower_case_name, std::string_view value) override;
    void on_reply_end() override;
    void on_progress() override;
    [[nodiscard]] bool is_in_danger(protocol::FrontendMessage next) const;
    void on_cancel_settled() override;
    void on_backend_drained() override;

    // The loss of it (client_loss.cpp)
    void on_backend_lost(const pool::BackendLoss& loss) override;
    void answer_loss(const pool::BackendLoss& loss);

    void describe_traffic(status::Connection& row, TimePoint now) const;
    [[nodiscard]] bool is_session_mode() const;

    [[nodiscard]] bool is_ending() const {
        return state_ == ClientState::Closing || state_ == ClientState::Closed;
    }

    [[nodiscard]] std::weak_ptr<char> alive();

    Worker& worker_;
    std::uint64_t id_;
    net::Stream stream_;
    net::Deadline deadline_{*this};
    std::unique_ptr<ClientLogin> login_;
    pool::Pool* pool_ = nullptr;
    pool::Backend* backend_ = nullptr;
    pool::RequestBatch* outgoing_ = nullptr;  // of the relay() on the stack
    pool::SettingsPtr settings_;
    std::unique_ptr<SessionState> session_state_;   // where it is more than it began as
    std::unique_ptr<ClientStatements> statements_;  // made when first needed
    StatementContext* context_ = nullptr;           // whose statements it sends, and what for
    std::unique_ptr<ClientExtras> extras_;          // made when first needed
    pool::HeldPlace user_place_;                    // among its user's clients
    pool::HeldPlace database_place_;                // among its database's
    TimePoint connected_at_{};
    TimePoint request_at_{};      // when the request under way began; the wait for a backend counts
    TimePoint transaction_at_{};  // when the transaction under way began
    std::size_t body_left_ = 0;   // of the client's message that is passing through
    std::uint32_t cancel_pid_ = 0;
    ShortDuration idle_limit_{0};  // zero = none
    std::uint32_t judged_at_ = 0;  // DatabaseKnowledge::changes() then; since the last rest
    ClientState state_ = ClientState::Startup;
    protocol::FrontendMessage wanted_for_{};  // the message that a backend is wanted for
    std::uint8_t minor_ = 0;                  // of its protocol: we speak none above 2
    bool is_flush_missing_ = false;    // behind what it has sent: the backend may keep its answers
    bool is_settling_ = false;         // a message is kept until what came before it is answered
    bool is_refusal_pending_ = false;  // the held message has been answered and is to be dropped
    bool is_forwarding_ : 1 = false;
    bool has_executed_ : 1 = false;  // was its last message; kept up where statements have a limit
    bool has_unnamed_in_batch_ : 1 = false;  // a Parse of the unnamed statement since the last Sync
    bool has_lost_transaction_ : 1 = false;  // while nothing was owed: told at the next request
    std::uint8_t backends_missed_ : 3 = 0;   // of those lent for the request under way
    bool is_reading_uncertain_ : 1 = false;  // how the backend reads statements' text
    bool is_text_in_doubt_ : 1 = false;      // the same, as long as what decides it is not answered
    bool is_allowed_ : 1 = false;  // the message that is held has been looked at by the policies
    bool is_taken_as_plain_ : 1 = false;  // then, before there was a server that may read otherwise
    bool has_waited_ : 1 = false;         // the message that is held: its request began before
    bool is_relaying_ : 1 = false;  // on the stack: what arrives meanwhile is dealt with there
    bool is_counted_ : 1 = false;   // among the process's clients
    ClientTally tally_;
};

}  // namespace weir::proxy
