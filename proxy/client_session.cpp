#include "proxy/client_session.hpp"

#include "base/check.hpp"
#include "base/log.hpp"
#include "net/socket.hpp"
#include "protocol/message_writer.hpp"
#include "proxy/worker.hpp"

#include <algorithm>
#include <limits>
#include <utility>

namespace weir::proxy {

namespace {

/// How long the last words to a client may take to leave.
constexpr std::chrono::seconds kCloseWithin{5};
/// A time-out that passes while all traffic is suspended is looked at again after this.
constexpr std::chrono::seconds kSuspendedRetry{1};
/// A client that waits for a backend is read up to this much ahead, then no further.
constexpr std::size_t kHeldBytesMax = net::EventLoop::kReadBufferBytes;

/// @return that limit, or the longest there is: seven weeks
ShortDuration shortened(conf::milliseconds limit) {
    constexpr auto kLongest = std::numeric_limits<std::uint32_t>::max();
    return ShortDuration{
        static_cast<std::uint32_t>(std::min<std::int64_t>(limit.count(), std::int64_t{kLongest}))};
}

/// What a client of our own is sent and has not read yet: all of a result that can be kept, for it
/// reads no sooner than this loop comes to it.
std::size_t high_mark_of(const conf::Config& config, const OwnSession* own) {
    const std::uint64_t buffer = config.limits.client_buffer;
    return static_cast<std::size_t>(own == nullptr ? buffer
                                                   : std::max(buffer, config.cache.max_entry));
}

/// @return what SHOW CLIENTS calls it: PgBouncer's words
std::string_view word_of(ClientState state) {
    switch (state) {
        case ClientState::Startup:
        case ClientState::Authenticating:
        case ClientState::Hashing: return "login";
        case ClientState::Welcoming:
        case ClientState::Waiting: return "waiting";
        case ClientState::Cancelling: return "active_cancel_req";
        case ClientState::Idle:
        case ClientState::Skipping:
        case ClientState::Preparing:
        case ClientState::Active:
        case ClientState::Console:
        case ClientState::Closing:
        case ClientState::Closed: break;
    }
    return "active";
}

}  // namespace

ClientSession::ClientSession(Worker& worker, net::Fd fd, std::uint64_t id, OwnSessionPtr own)
    : worker_{worker},
      id_{id},
      stream_{worker.loop(), std::move(fd), static_cast<net::StreamListener&>(*this)},
      login_{std::make_unique<ClientLogin>()},
      settings_{worker.settings().none()},
      connected_at_{worker.loop().now()} {
    const conf::Config& config = worker_.config();
    if (own != nullptr) {
        own->session = this;
        extras().known_name = net::SocketName{std::string{own->name}, 0};
        extras().own = std::move(own);
    }
    stream_.set_high_mark(high_mark_of(config, this->own()));
    login_->awaits_proxy_header = config.listen.proxy_protocol == conf::ProxyProtocol::V2 &&
                                  net::local_name(stream_.fd()).address != net::kUnixName;
    worker_.loop().set_deadline(deadline_,
                                deadline_after(connected_at_, config.listen.client_login_timeout));
}

ClientSession::~ClientSession() {
    leave_context();
}

const std::string& ClientSession::user() const {
    static const std::string kNobody;
    return context_ != nullptr ? context_->labels->user : kNobody;
}

void ClientSession::transition(ClientEvent event) {
    const auto to = next_state(state_, event);
    if (!WEIR_BUG_IF(!to, "client event in a state that has no rule for it")) {
        state_ = *to;
    }
}

std::weak_ptr<char> ClientSession::alive() {
    if (login_->alive == nullptr) {
        login_->alive = std::make_shared<char>();
    }
    return login_->alive;
}

std::size_t ClientSession::on_bytes(ByteView bytes) {
    switch (state_) {
        case ClientState::Startup: return read_startup(bytes);
        case ClientState::Authenticating: return read_password(bytes);
        case ClientState::Hashing:
        case ClientState::Welcoming:
        case ClientState::Waiting:
        case ClientState::Preparing: return hold(bytes);
        case ClientState::Idle:
        case ClientState::Skipping:
        case ClientState::Active: return replay() ? relay(bytes) : 0;
        case ClientState::Console: return feed_console(bytes);
        case ClientState::Cancelling:
        case ClientState::Closing:
        case ClientState::Closed: return bytes.size();
    }
    return bytes.size();
}

/// Nothing can be done with the bytes yet: they stay, and when they are many the client is read no
/// further.
std::size_t ClientSession::hold(ByteView bytes) {
    if (bytes.size() >= kHeldBytesMax) {
        stream_.pause(net::Pause::Waiting);
    }
    return 0;
}

/// What was held can be dealt with now.
void ClientSession::resume_held() {
    stream_.resume(net::Pause::Waiting);
    if (!is_relaying_ && replay()) {
        stream_.offer_unread();
    }
}

void ClientSession::send(const ByteWriter& writer) {
    worker_.mutable_counters().bytes_to_clients.add(writer.size());
    tally_.add_out(writer.size());
    stream_.write(writer.bytes());
}

void ClientSession::on_drained() {
    if (state_ == ClientState::Closing) {
        if (stream_.unsent() == 0) {
            close();
        }
        return;
    }
    if (backend_ != nullptr) {
        backend_->resume_replies();
    }
    tell_drained();
    if (stream_.is_paused(net::Pause::OutputIsFull)) {
        stream_.resume(net::Pause::OutputIsFull);
        if ((!is_console() || !console()->busy()) && replay()) {
            stream_.offer_unread();
        }
    }
}

/// Who it was must be known after its socket is gone.
void ClientSession::on_closing() {
    if (is_logged_in()) {
        extras().known_name = client_name();
    }
}

void ClientSession::on_closed(const Error& reason) {
    note_failed_handshake();
    end_because(
        sqlstate::kConnectionFailure,
        reason.code() == ErrorCode::Closed ? "client has gone" : "connection to the client broke");
    leave_backend(pool::Backend::Departure::Vanished);
    close();
}

/// What ends it: what is told of first.
void ClientSession::end_because(SqlState sqlstate, std::string_view why) {
    if (is_logged_in() && !extras().end) {
        extras().end = {sqlstate, std::string{why}};
    }
}

/// Gives up the backend, or the place in the line for one, wherever the session stands.
void ClientSession::leave_backend(pool::Backend::Departure departure) {
    ClientCache::give_up(extras_.get());
    if (pool_ == nullptr) {
        return;
    }
    lender().forget(*this);
    if (outgoing_ != nullptr) {
        // What the backend is already counted on to answer must reach it.
        flush_to_backend(*outgoing_);
    }
    if (backend_ != nullptr) {
        if (carries_state()) {
            suspect_changed();
        }
        suspect_pins();
        tell_left(departure);
    }
    pool::Pool& from = end_lease();
    if (pool::Backend* backend = std::exchange(backend_, nullptr); backend != nullptr) {
        const bool is_frame_open = body_left_ > 0 && is_forwarding_;
        if (!is_frame_open && backend->is_at_rest()) {
            from.release(*backend);
        } else {
            from.abandon(*backend,
                         is_frame_open ? pool::Backend::Frame::Open : pool::Backend::Frame::Whole,
                         departure);
        }
    }
}

void ClientSession::fatal(SqlState sqlstate, std::string message) {
    fatal({protocol::Severity::Fatal, sqlstate, std::move(message), {}, {}});
}

void ClientSession::fatal(const protocol::ErrorFields& fields) {
    if (state_ == ClientState::Closed || state_ == ClientState::Closing) {
        return;
    }
    const bool is_mid_reply = backend_ != nullptr && backend_->is_mid_frame();
    end_because(fields.sqlstate, fields.message);
    leave_backend(pool::Backend::Departure::Vanished);
    if (cancel_pid_ == 0) {
        pool_ = nullptr;  // not one of its clients yet: it may be forgotten before we are gone
    }
    transition(ClientEvent::EndBegan);
    if (!is_mid_reply) {  // inside another message an error cannot be told
        ByteWriter writer;
        protocol::write_error(writer, fields);
        worker_.note_error(*this, fields);
        send(writer);
    }
    log::debug("client_closed", {{"client", id_}, {"user", user()}, {"reason", fields.message}});
    close_when_sent();
}

void ClientSession::close_when_sent() {
    if (stream_.unsent() == 0) {
        close();
        return;
    }
    worker_.loop().set_deadline(deadline_, worker_.loop().now() + kCloseWithin);
}

void ClientSession::close() {
    if (state_ == ClientState::Closed) {
        return;
    }
    settle_retry(pool::RetryOutcome::Failure);
    tell_drained();
    tell_session();
    transition(ClientEvent::Ended);
    if (is_logged_in() && own() == nullptr && worker_.config().log.disconnections) {
        const auto lived = worker_.loop().now() - connected_at_;
        log::info("client_left",
                  {{"client", id_},
                   {"user", user()},
                   {"seconds", std::chrono::duration_cast<std::chrono::seconds>(lived).count()}});
    }
    deadline_.clear();
    if (login_ != nullptr) {
        login_->alive.reset();
    }
    stream_.close();
    if (pool_ != nullptr && cancel_pid_ != 0) {
        pool_->client_left();
    }
    user_place_.reset();
    database_place_.reset();
    if (is_counted_) {
        worker_.shared().clients.fetch_sub(1);
    }
    worker_.forget_cancel_key(cancel_pid_, *this);
    worker_.remove(*this);
}

void ClientSession::drain() {
    const bool is_at_rest_with_backend = state_ == ClientState::Active && keeps_backend() &&
                                         backend_->is_at_rest() && body_left_ == 0;
    switch (state_) {
        case ClientState::Startup:
        case ClientState::Authenticating:
        case ClientState::Hashing:
        case ClientState::Welcoming:
        case ClientState::Idle: fatal(sqlstate::kAdminShutdown, "server shutting down"); return;
        case ClientState::Console:
            if (worker_.drain_kind() == DrainKind::Signal) {
                fatal(sqlstate::kAdminShutdown, "server shutting down");
            }
            return;
        case ClientState::Waiting:
            if (worker_.drain_kind() == DrainKind::Order) {
                fatal(sqlstate::kAdminShutdown, "server shutting down");
            }
            return;
        case ClientState::Active:
            if (is_at_rest_with_backend) {
                fatal(sqlstate::kAdminShutdown, "server shutting down");
            }
            return;
        case ClientState::Skipping:
        case ClientState::Preparing:
        case ClientState::Cancelling:
        case ClientState::Closing:
        case ClientState::Closed: return;
    }
}

void ClientSession::refresh() {
    stream_.set_high_mark(high_mark_of(worker_.config(), own()));
    if (pool_ != nullptr) {
        read_limits();
        if (backend_ != nullptr) {
            backend_->limit_statements(context_->policy.statement_timeout);
        }
        enforce_read_only();
        ClientCache::note_refresh(*this);
    }
    if (!is_ending() && (state_ == ClientState::Idle || is_idle_with_backend())) {
        set_idle_deadline();
    }
}

/// Looks up once what would be looked up at every statement.
void ClientSession::read_limits() {
    const conf::UserSettings* settings = worker_.config().find_user(user());
    const bool has_own = settings != nullptr && settings->client_idle_timeout.count() > 0;
    idle_limit_ = shortened(has_own ? settings->client_idle_timeout
                                    : worker_.config().listen.client_idle_timeout);
    read_routing();
}

void ClientSession::set_idle_deadline() {
    const Duration timeout = idle_limit_;
    if (timeout > Duration::zero() || deadline_.is_set()) {
        worker_.loop().set_deadline(deadline_, deadline_after(worker_.loop().now(), timeout));
    }
}

/// @return whether it keeps a backend and wants nothing of it
bool ClientSession::is_idle_with_backend() const {
    return state_ == ClientState::Active && backend_->is_at_rest() && body_left_ == 0 &&
           !is_settling_;
}

void ClientSession::on_deadline(net::Deadline& /*deadline*/) {
    if (worker_.is_suspended() && stream_.is_paused(net::Pause::Suspended)) {
        // It is not listened to, so it has not been silent.
        worker_.loop().set_deadline(deadline_, worker_.loop().now() + kSuspendedRetry);
        return;
    }
    switch (state_) {
        case ClientState::Startup:
        case ClientState::Authenticating:
        case ClientState::Hashing:
            login_failed(sqlstate::kQueryCanceled, "client_login_timeout", "timeout");
            return;
        case ClientState::Welcoming: {
            const std::string why = pool_->failure_text();
            login_failed(sqlstate::kCannotConnectNow,
                         "client_login_timeout (server down)" + (why.empty() ? "" : ": " + why),
                         "server_down");
            return;
        }
        case ClientState::Idle:
        case ClientState::Skipping:
            fatal(sqlstate::kIdleSessionTimeout, "client_idle_timeout");
            return;
        case ClientState::Active: {
            if (is_idle_with_backend()) {
                fatal(sqlstate::kIdleSessionTimeout, "client_idle_timeout");
                return;
            }
            const Duration limit = pool_->plan().settings.transaction_timeout;
            if (limit > Duration::zero() && worker_.loop().now() - transaction_at_ >= limit) {
                fatal(sqlstate::kTransactionTimeout, "transaction timeout");
            } else {
                fatal(sqlstate::kIdleInTransactionTimeout, "idle transaction timeout");
            }
            return;
        }
        case ClientState::Cancelling:
        case ClientState::Closing: close(); return;
        case ClientState::Console:
            console()->on_time(worker_.loop().now());
            if (state_ == ClientState::Console && console()->busy()) {
                // It waits for the next thing already, which has its own time.
                worker_.loop().set_deadline(deadline_, console()->deadline());
            }
            return;
        case ClientState::Waiting:
            if (extras_ == nullptr || extras_->cached == nullptr ||
                !extras_->cached->end_flight()) {
                end_pause();
            }
            return;
        case ClientState::Preparing:
        case ClientState::Closed: return;
    }
}

void ClientSession::cancel(std::function<void()> on_done) {
    if (state_ == ClientState::Console) {
        console()->cancel();
        on_done();
        return;
    }
    if (state_ == ClientState::Active && backend_ != nullptr && backend_->owes_holder()) {
        lender().cancel(*backend_, std::move(on_done));
        return;
    }
    if (state_ == ClientState::Waiting) {
        if (extras_ != nullptr && extras_->cached != nullptr) {
            static_cast<void>(extras_->cached->leave_flight());
        }
        end_lease().forget(*this);
        forget_call();
        refuse_request({protocol::Severity::Error,
                        sqlstate::kQueryCanceled,
                        "canceling statement due to user request",
                        {},
                        {}});
        resume_held();
    }
    on_done();  // nothing of this client is running
}

bool ClientSession::is_session_mode() const {
    return pool_ != nullptr && (pool_->plan().settings.mode == conf::PoolMode::Session ||
                                !pool_->key().replication.empty());
}

status::Connection ClientSession::describe(TimePoint now) const {
    status::Connection row;
    row.id = id_;
    row.user = user();
    row.database = pool_ != nullptr ? pool_->key().database
                                    : (is_console() ? worker_.config().admin.database : "");
    row.replication = pool_ != nullptr && !pool_->key().replication.empty();
    row.state = word_of(state_);
    const net::SocketName peer = client_name();
    const net::SocketName local = net::local_name(stream_.fd());
    row.address = peer.address;
    row.port = peer.port;
    row.local_address = local.address;
    row.local_port = local.port;
    if (const net::TlsChannel* tls = stream_.tls(); tls != nullptr && tls->is_ready()) {
        row.tls = tls->description();
    }
    row.connect_time_unix_ms = unix_ms(connected_at_, now);
    row.request_time_unix_ms =
        unix_ms(request_at_ == TimePoint{} ? connected_at_ : request_at_, now);
    if (state_ == ClientState::Waiting || state_ == ClientState::Welcoming) {
        row.wait_us =
            std::chrono::duration_cast<std::chrono::microseconds>(now - waiting_since).count();
        row.wait_reason = pool::name_of(wait_reason);
    }
    row.link_id = backend_ != nullptr ? backend_->id() : 0;
    row.remote_pid = static_cast<std::int64_t>(cancel_pid_);
    if (const auto name = settings_->find("application_name"); name != settings_->end()) {
        row.application_name = name->second;
    }
    describe_traffic(row, now);
    row.prepared_statements = statements_ == nullptr ? 0 : statements_->size();
    row.worker = static_cast<int>(worker_.index());
    if (is_pinned()) {
        for (const PinCause& pin : session_state_->pins) {
            row.pins.push_back(
                {std::string{name_of(pin.reason)}, unix_ms(pin.since, now), pin.statement});
        }
        row.remote_backend_pid = backend_ != nullptr ? backend_->process_id() : 0;
    }
    return row;
}

}  // namespace weir::proxy
