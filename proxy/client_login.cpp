// The part of ClientSession from the first byte to the first ReadyForQuery.

#include "base/log.hpp"
#include "protocol/limits.hpp"
#include "protocol/message_writer.hpp"
#include "protocol/proxy_header.hpp"
#include "proxy/client_session.hpp"
#include "proxy/worker.hpp"

#include <unistd.h>

#include <algorithm>
#include <utility>

namespace weir::proxy {

using protocol::FrontendMessage;
using protocol::StartupKind;

namespace {

constexpr std::string_view kPgbouncerDatabase = "pgbouncer";
constexpr std::string_view kPgbouncerUser = "pgbouncer";
/// PostgreSQL cuts names at NAMEDATALEN - 1.
constexpr std::size_t kNameBytesMax = 63;
constexpr std::size_t kShortSecretBytes = 4;
constexpr std::size_t kLongSecretBytes = 32;
constexpr std::uint16_t kMinorWithLongSecrets = 2;

/// @return whether PostgreSQL reports an application_name back as it was given
bool is_plain_name(std::string_view name) {
    const auto is_plain = [](char c) { return c >= ' ' && c <= '~'; };
    return name.size() <= kNameBytesMax && std::all_of(name.begin(), name.end(), is_plain);
}

ClientFacts::Replication replication_of(const pool::StartupWishes& wishes) {
    if (wishes.replication.empty()) {
        return ClientFacts::Replication::None;
    }
    return wishes.replication == "database" ? ClientFacts::Replication::Logical
                                            : ClientFacts::Replication::Physical;
}

/// As in PgBouncer: whoever runs as the user that Weir runs as, and comes through a unix socket, is
/// let in as "pgbouncer" without a proof. It could read this process's memory anyway.
bool is_own_operator(const ClientFacts& facts) {
    return facts.user == kPgbouncerUser && facts.is_unix && facts.peer_uid == ::geteuid();
}

}  // namespace

std::size_t ClientSession::read_startup(ByteView bytes) {
    std::size_t used = 0;
    if (login_->awaits_proxy_header) {
        used = read_proxy_header(bytes);
        if (used == 0 || state_ != ClientState::Startup) {
            return used;
        }
    }
    if (used < bytes.size() && is_tls_hello(bytes[used])) {
        begin_direct_tls(bytes.subspan(used));
        return bytes.size();
    }
    while (state_ == ClientState::Startup && used < bytes.size()) {
        const auto result = protocol::read_startup(bytes.subspan(used));
        if (result.status == protocol::FrameStatus::NeedMore) {
            return used;
        }
        if (result.status == protocol::FrameStatus::Invalid) {
            const bool is_version = result.error->code() == ErrorCode::Unsupported;
            login_failed(
                result.error->sqlstate(),
                is_version
                    ? "unsupported frontend protocol " + std::to_string(result.packet.major) + "." +
                          std::to_string(result.packet.minor) + ": server supports 3.0 to 3.2"
                    : std::string{result.error->what()},
                "malformed");
            return bytes.size();
        }
        used += result.packet.size;
        is_relaying_ = true;
        on_startup(result.packet, bytes.subspan(used));
        is_relaying_ = false;
    }
    return go_on(bytes, used);
}

std::size_t ClientSession::read_proxy_header(ByteView bytes) {
    auto result = protocol::read_proxy_header(bytes);
    switch (result.status) {
        case protocol::FrameStatus::NeedMore: return 0;
        case protocol::FrameStatus::Invalid:
            login_failed(sqlstate::kProtocolViolation,
                         "expected a PROXY protocol header, version 2 (listen.proxy_protocol)",
                         "proxy_header");
            return bytes.size();
        case protocol::FrameStatus::Complete: break;
    }
    login_->awaits_proxy_header = false;
    if (result.header.has_address) {
        extras().known_name = net::SocketName{std::move(result.header.address), result.header.port};
    }
    return result.header.size;
}

net::SocketName ClientSession::client_name() const {
    return extras_ != nullptr && extras_->known_name ? *extras_->known_name
                                                     : net::peer_name(stream_.fd());
}

/// What is known about the client once its startup packet has been read.
ClientFacts ClientSession::facts() const {
    const net::SocketName name = client_name();
    ClientFacts facts;
    facts.address = name.address;
    facts.port = name.port;
    facts.is_unix = net::peer_name(stream_.fd()).address == net::kUnixName;
    facts.peer_uid = facts.is_unix ? net::peer_user_id(stream_.fd()) : std::nullopt;
    if (const net::TlsChannel* tls = stream_.tls(); tls != nullptr) {
        facts.is_tls = true;
        facts.has_certificate = tls->is_peer_verified();
        facts.certificate_name = tls->verified_name().value_or("");
        facts.end_point = tls->server_end_point().value_or(protocol::ScramEndPoint{});
    }
    facts.database = login_->wishes.database;
    facts.user = login_->wishes.user;
    facts.replication = replication_of(login_->wishes);
    facts.is_own = own() != nullptr;
    return facts;
}

/// The name is cut rather than the host: PostgreSQL would cut at the end.
void ClientSession::add_host_to_name() {
    const net::SocketName host = client_name();
    std::string text = " - " + host.address;
    if (host.address != net::kUnixName) {
        const bool is_v6 = host.address.find(':') != std::string::npos;
        text = (is_v6 ? " - [" + host.address + "]" : text) + ":" + std::to_string(host.port);
    }
    std::string& name = login_->wishes.settings[std::string{pool::kApplicationName}];
    if (name.empty()) {
        name = "app";
    }
    name = name.substr(0, kNameBytesMax - text.size()) + text;
}

/// A step of the login has used the first `used` bytes: what came behind them is for the next step.
std::size_t ClientSession::go_on(ByteView bytes, std::size_t used) {
    if (state_ == ClientState::Closed || state_ == ClientState::Closing) {
        return bytes.size();
    }
    const ByteView rest = bytes.subspan(used);
    return rest.empty() ? used : used + on_bytes(rest);
}

/// @param rest what came behind it
void ClientSession::on_startup(const protocol::StartupPacket& packet, ByteView rest) {
    switch (packet.kind) {
        case StartupKind::SslRequest:
        case StartupKind::GssEncRequest: on_encryption_request(packet.kind, rest); return;
        case StartupKind::CancelRequest: on_cancel_request(packet); return;
        case StartupKind::Startup: begin_login(packet); return;
    }
}

void ClientSession::on_cancel_request(const protocol::StartupPacket& packet) {
    transition(ClientEvent::CancelRead);
    worker_.loop().set_deadline(deadline_, worker_.loop().now() + pool::Canceller::kCancelWithin);
    // The client sees our closing as "the cancel has been delivered", as it does with PostgreSQL.
    worker_.route_cancel(packet.cancel_process_id, packet.cancel_secret, [this, alive = alive()] {
        if (!alive.expired()) {
            close();
        }
    });
}

CancelKey ClientSession::cancel_key() const {
    return {
        cancel_pid_, id_, minor_ >= kMinorWithLongSecrets ? kLongSecretBytes : kShortSecretBytes};
}

void ClientSession::begin_login(const protocol::StartupPacket& packet) {
    ByteWriter output;
    minor_ = static_cast<std::uint8_t>(std::min(packet.minor, protocol::kNewestProtocolMinor));
    if (packet.minor > protocol::kNewestProtocolMinor || !packet.protocol_options.empty()) {
        protocol::write_negotiate_protocol_version(output, minor_, packet.protocol_options);
    }
    auto wishes = pool::read_wishes(packet.parameters);
    if (!wishes) {
        std::string what{wishes.error().what()};
        if (wishes.error().sqlstate() == sqlstate::kInvalidParameterValue) {
            what += ": \"" + *packet.find("replication") + '"';
        }
        login_failed(wishes.error().sqlstate(), std::move(what), "malformed");
        return;
    }
    login_->wishes = std::move(*wishes);
    enter_context(login_->wishes.database, {});
    if (worker_.config().listen.application_name_add_host) {
        add_host_to_name();
    }
    const conf::Config& config = worker_.config();
    const bool is_console = login_->wishes.database == config.admin.database ||
                            login_->wishes.database == kPgbouncerDatabase;
    if (worker_.is_draining()) {
        login_failed(sqlstate::kAdminShutdown, "pooler is shutting down", "shutting_down");
        return;
    }
    is_counted_ = own() == nullptr;
    if (is_counted_ && worker_.shared().clients.fetch_add(1) >= config.listen.max_clients &&
        !is_console) {
        login_failed(sqlstate::kTooManyConnections,
                     "no more connections allowed (max_client_conn)",
                     "too_many_clients");
        return;
    }
    ClientFacts known = facts();
    if (!is_secure_enough(known)) {
        return;
    }
    transition(ClientEvent::StartupRead);
    if (is_console && known.is_own) {
        login_failed(sqlstate::kInvalidCatalogName, "this is the admin database", "no_database");
        return;
    }
    if (is_console && is_own_operator(known)) {
        if (!output.empty()) {
            send(output);
        }
        open_console(ConsoleClient::Proof::SameProcessOwner);
        return;
    }
    login_->auth = std::make_unique<ClientAuth>(config, std::move(known), worker_.auth_cache());
    const ClientAuth::Status status = login_->auth->start(output);
    advance_auth(status, output);
}

std::size_t ClientSession::read_password(ByteView bytes) {
    const auto [status, header] = protocol::read_header(bytes);
    if (status == protocol::FrameStatus::NeedMore) {
        return 0;
    }
    if (status == protocol::FrameStatus::Complete &&
        static_cast<FrontendMessage>(header.type) == FrontendMessage::Terminate) {
        close();
        return bytes.size();
    }
    if (status == protocol::FrameStatus::Invalid ||
        static_cast<FrontendMessage>(header.type) != FrontendMessage::Password) {
        login_failed(sqlstate::kProtocolViolation, "expected a password response", "malformed");
        return bytes.size();
    }
    if (header.length > protocol::kMaxAuthMessageBytes) {
        login_failed(sqlstate::kProtocolViolation, "password response too long", "malformed");
        return bytes.size();
    }
    if (bytes.size() < header.frame_bytes()) {
        return 0;
    }
    ByteWriter output;
    const ClientAuth::Status outcome = login_->auth->feed(protocol::body_of(bytes, header), output);
    is_relaying_ =
        true;  // what follows in `bytes` is gone on with below, not offered by the stream
    advance_auth(outcome, output);
    is_relaying_ = false;
    return go_on(bytes, header.frame_bytes());
}

void ClientSession::advance_auth(ClientAuth::Status status, const ByteWriter& output) {
    if (!output.empty()) {
        send(output);
    }
    switch (status) {
        case ClientAuth::Status::Continue: return;
        case ClientAuth::Status::NeedsHash: hash(); return;
        case ClientAuth::Status::NeedsLookup: look_up(); return;
        case ClientAuth::Status::Ok: on_authenticated(); return;
        case ClientAuth::Status::Failed: {
            const ClientAuth::Failure& failure = login_->auth->failure();
            login_failed(failure.sqlstate, failure.message, failure.reason);
            return;
        }
    }
}

void ClientSession::hash() {
    transition(ClientEvent::HashBegan);
    auto job = [this, alive = alive(), work = login_->auth->take_work(), &loop = worker_.loop()] {
        if (alive.expired()) {
            return;  // gone before its turn: others wait for theirs
        }
        work();
        loop.post([this, alive] {
            if (alive.expired() || state_ != ClientState::Hashing) {
                return;
            }
            transition(ClientEvent::HashDone);
            ByteWriter output;
            const ClientAuth::Status status = login_->auth->hashed(output);
            advance_auth(status, output);
            resume_held();
        });
    };
    if (!worker_.shared().background.submit(std::move(job),
                                            net::BackgroundThread::Cause::Stranger)) {
        login_failed(sqlstate::kTooManyConnections, "too many logins at once", "too_many_logins");
    }
}

/// Asks the database who the user is, without waiting for it.
void ClientSession::look_up() {
    transition(ClientEvent::HashBegan);
    auto on_answer = [this, alive = alive()](const pool::UserAnswer& answer) {
        if (alive.expired() || state_ != ClientState::Hashing) {
            return;
        }
        transition(ClientEvent::HashDone);
        ByteWriter output;
        const ClientAuth::Status status = login_->auth->looked_up(answer, output);
        advance_auth(status, output);
        resume_held();
    };
    if (!worker_.user_lookups().look_up(login_->auth->question(), user(), std::move(on_answer))) {
        login_failed(sqlstate::kTooManyConnections, "too many logins at once", "too_many_logins");
    }
}

void ClientSession::on_authenticated() {
    const conf::Config& config = worker_.config();
    const std::string& wanted = login_->wishes.database;
    if (wanted == config.admin.database || wanted == kPgbouncerDatabase) {
        open_console(ConsoleClient::Proof::Login);
        return;
    }
    const conf::DatabaseSettings* database = config.find_database(wanted);
    if (database == nullptr) {
        login_failed(sqlstate::kInvalidCatalogName, "no such database: " + wanted, "no_database");
        return;
    }
    if (worker_.holds().disabled.contains(wanted)) {
        login_failed(
            sqlstate::kCannotConnectNow, "database \"" + wanted + "\" is disabled", "disabled");
        return;
    }
    enter_pool(config, *database);
}

/// @return whether its user and its database take one more client; else it has been told
bool ClientSession::take_places(const conf::Config& config,
                                const conf::DatabaseSettings& database) {
    pool::BudgetRegistry& budgets = worker_.shared().budgets;
    // Counted without a limit too: a reload may bring one.
    const conf::UserSettings* settings = config.find_user(user());
    const pool::BudgetPtr of_user = budgets.find_or_add("client:" + user());
    if (!of_user->try_take(settings != nullptr ? settings->max_clients : 0)) {
        login_failed(sqlstate::kTooManyConnections,
                     "client connections exceeded (max_user_client_connections)",
                     "too_many_clients");
        return false;
    }
    user_place_.reset(of_user.get());
    const pool::BudgetPtr of_database =
        budgets.find_or_add("database_clients:" + login_->wishes.database);
    if (!of_database->try_take(database.max_clients)) {
        login_failed(sqlstate::kTooManyConnections,
                     "client connections exceeded (max_db_client_connections)",
                     "too_many_clients");
        return false;
    }
    database_place_.reset(of_database.get());
    return true;
}

void ClientSession::enter_pool(const conf::Config& config, const conf::DatabaseSettings& database) {
    if (const std::string& name = login_->wishes.impossible_setting; !name.empty()) {
        login_failed(sqlstate::kUndefinedObject,
                     "unrecognized configuration parameter \"" + name + '"',
                     "settings");
        return;
    }
    if (own() == nullptr && !take_places(config, database)) {
        return;
    }
    const pool::StartupWishes& wishes = login_->wishes;
    const bool is_forced = !database.user.empty();
    pool::PoolKey key;
    key.database = wishes.database;
    key.user = is_forced ? database.user : wishes.user;
    if (replication_of(wishes) != ClientFacts::Replication::None) {
        key.replication = wishes.replication + "#" + std::to_string(id_);
    }
    pool_ = &worker_.pool_for(key, key.replication.empty() ? std::string{} : wishes.replication);
    if (key.user == wishes.user && (!is_forced || database.password.empty())) {
        pool_->learn(login_->auth->learnt());
    }
    set_settings(worker_.settings().intern(wishes.settings));
    read_limits();
    transition(ClientEvent::Authenticated);
    const auto* welcome = is_session_mode() ? nullptr : pool_->welcome_for(welcome_settings());
    if (welcome != nullptr) {
        send_welcome(pool::ReportedParameters{*welcome});
        return;
    }
    pool_->acquire(*this);
}

/// The settings whose spelling only PostgreSQL knows. An ordinary application_name is reported as
/// it is given, and there are too many of them to ask each time.
pool::SettingsPtr ClientSession::welcome_settings() const {
    const auto name = settings_->find(pool::kApplicationName);
    if (name == settings_->end() || !is_plain_name(name->second)) {
        return settings_;
    }
    return worker_.settings().without(settings_, pool::kApplicationName);
}

/// The client has a backend of its own from here to its end: it is told what that one said.
void ClientSession::send_own_welcome() {
    transition(ClientEvent::Welcomed);
    transition(ClientEvent::BackendLent);
    cancel_pid_ = backend_->process_id();
    worker_.register_cancel_key(*this, cancel_pid_);
    pool_->client_came();
    ByteWriter output;
    protocol::write_authentication_ok(output);
    for (const auto& [key, value] : backend_->parameters()) {
        protocol::write_parameter_status(output, key, value);
    }
    end_login(output);
}

/// No backend for a client that has just proved who it is: it hears what the server said, to the
/// letter.
void ClientSession::refuse_login(const pool::LoginFailure& failure) {
    if (failure.original.empty()) {
        login_failed(failure.fields.sqlstate, failure.fields.message, "backend");
        return;
    }
    note_failed_login("backend", failure.fields.message);
    worker_.mutable_counters().errors.add(failure.fields.sqlstate);
    pool_ = nullptr;  // not one of its clients yet
    transition(ClientEvent::EndBegan);
    ByteWriter output;
    protocol::write_error_body(output, failure.original);
    send(output);
    close_when_sent();
}

void ClientSession::send_welcome(const pool::ReportedParameters& parameters) {
    transition(ClientEvent::Welcomed);
    cancel_pid_ = worker_.register_cancel_key(*this);
    pool_->client_came();
    ByteWriter output;
    protocol::write_authentication_ok(output);
    const auto name = settings_->find(pool::kApplicationName);
    const bool has_own_name = name != settings_->end() && is_plain_name(name->second);
    for (const auto& [key, value] : parameters) {
        protocol::write_parameter_status(
            output, key, has_own_name && key == pool::kApplicationName ? name->second : value);
    }
    end_login(output);
}

/// @param output how the session begins
void ClientSession::end_login(ByteWriter& output) {
    protocol::write_backend_key_data(output, cancel_pid_, worker_.cancel_secret(*this));
    if (const std::string& notice = worker_.config().listen.login_notice; !notice.empty()) {
        protocol::write_notice(
            output, {protocol::Severity::Notice, sqlstate::kSuccessfulCompletion, notice, {}, {}});
    }
    protocol::write_ready_for_query(output, protocol::TransactionStatus::Idle);
    login_.reset();
    deadline_.clear();
    send(output);
    const bool is_wanted = worker_.config().log.connections && own() == nullptr;
    log::write(is_wanted ? log::Level::Info : log::Level::Debug,
               "client_login",
               {{"client", id_}, {"user", user()}, {"database", pool_->key().database}});
    set_idle_deadline();
    suspend_or_resume();
    resume_held();
}

void ClientSession::login_failed(SqlState sqlstate, std::string message, const char* reason) {
    note_failed_login(reason, message);
    fatal(sqlstate, std::move(message));
}

/// A client of our own hears of it and tells it.
void ClientSession::note_failed_login(const char* reason, std::string_view message) const {
    if (own() == nullptr) {
        worker_.count_failed_login(reason);
        log::info("client_login_failed",
                  {{"client", id_}, {"user", user()}, {"reason", reason}, {"message", message}});
    }
}

}  // namespace weir::proxy
