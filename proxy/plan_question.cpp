#include "proxy/plan_question.hpp"

#include "pool/backend.hpp"
#include "pool/pool.hpp"
#include "protocol/backend_views.hpp"
#include "protocol/frame.hpp"
#include "protocol/frontend_views.hpp"
#include "protocol/message_writer.hpp"

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

namespace weir::proxy {

using protocol::BackendMessage;
using protocol::FrontendMessage;
using Outcome = PlanAnswer::Outcome;

namespace {

constexpr std::size_t kReplyBytesMax = std::size_t{512} * 1024;
/// How soon somebody who waits is seen.
constexpr std::chrono::milliseconds kLookEvery{10};
constexpr int kLowestPriority = -10;

/// The settings are the transaction's alone. By function: a SET would make the session suspect.
constexpr std::string_view kBegin =
    "BEGIN READ ONLY;"
    "SELECT pg_catalog.set_config('statement_timeout', '2s', true),"
    " pg_catalog.set_config('lock_timeout', '50ms', true)";
constexpr std::string_view kExplain = "EXPLAIN (FORMAT JSON, SETTINGS, VERBOSE) ";
constexpr std::string_view kEnd = "ROLLBACK";

/// @return false: what was kept of the statement is malformed
bool write_question(ByteWriter& output, const pool::StatementRequest& request) {
    const auto parse = protocol::read_parse(request.parse);
    if (!parse) {
        return false;
    }
    protocol::write_query(output, kBegin);
    // By Parse whatever it was: PostgreSQL takes one statement there, and no more.
    protocol::write_parse(
        output, {}, std::string{kExplain}.append(parse->sql), parse->parameter_types);
    if (request.bind.empty()) {
        protocol::write_rebind(output, {}, {}, {});
    } else if (const auto bind = protocol::read_bind(request.bind); bind) {
        protocol::write_rebind(output, {}, {}, *bind);
    } else {
        return false;
    }
    protocol::write_execute(output, {}, 0);
    protocol::write_sync(output);
    protocol::write_query(output, kEnd);
    return true;
}

}  // namespace

PlanQuestion::PlanQuestion(net::EventLoop& loop,
                           Session session,
                           std::shared_ptr<const pool::StatementRequest> request,
                           OnDone on_done)
    : loop_{loop},
      session_{std::move(session)},
      request_{std::move(request)},
      on_done_{std::move(on_done)} {}

PlanQuestion::~PlanQuestion() {
    leave();
}

void PlanQuestion::start(pool::Pool& pool) {
    pool_ = &pool;
    due_ = loop_.now() + kWithin;
    loop_.set_deadline(look_, loop_.now() + kLookEvery);
    pool.acquire(*this);
}

int PlanQuestion::priority() const {
    return kLowestPriority;
}

void PlanQuestion::on_lease(pool::Backend& backend, Duration /*waited*/) {
    backend_ = &backend;
    if (backend.prepare(session_.settings)) {
        on_prepared();
    }
}

void PlanQuestion::on_prepared() {
    ByteWriter output;
    if (!write_question(output, *request_)) {
        finish({Outcome::Failed, {}, "its messages are malformed"});
        return;
    }
    for (const FrontendMessage type : {FrontendMessage::Query,
                                       FrontendMessage::Parse,
                                       FrontendMessage::Bind,
                                       FrontendMessage::Execute,
                                       FrontendMessage::Sync,
                                       FrontendMessage::Query}) {
        backend_->will_send(type);
    }
    net::WriteBatch batch;
    batch.add(output.bytes());
    backend_->send(batch);
}

void PlanQuestion::on_reply(const net::WriteBatch& batch) {
    for (const iovec& part : batch.segments()) {
        const auto* bytes = static_cast<const std::byte*>(part.iov_base);
        if (reply_.size() + part.iov_len > kReplyBytesMax) {
            is_reply_too_long_ = true;
            return;
        }
        reply_.insert(reply_.end(), bytes, bytes + part.iov_len);
    }
}

void PlanQuestion::on_reply_end() {
    if (backend_ != nullptr && backend_->is_at_rest()) {
        finish(read_answer());
    }
}

PlanAnswer PlanQuestion::read_answer() const {
    if (is_reply_too_long_) {
        return {Outcome::Failed, {}, "its plan is too long"};
    }
    PlanAnswer answer{Outcome::Failed, {}, "there was no plan in the answer"};
    ByteView rest = reply_;
    while (!rest.empty()) {
        const auto [status, header] = protocol::read_header(rest);
        if (status != protocol::FrameStatus::Complete || header.frame_bytes() > rest.size()) {
            return {Outcome::Failed, {}, "its answer is malformed"};
        }
        const ByteView body = protocol::body_of(rest, header);
        const auto type = static_cast<BackendMessage>(header.type);
        if (type == BackendMessage::ErrorResponse) {
            // The message may quote the statement.
            const auto error = protocol::read_error(body);
            const SqlState sqlstate =
                error ? error->sqlstate.value_or(sqlstate::kInternalError) : SqlState{};
            return {Outcome::Failed, {}, error ? sqlstate.text() : "its error is malformed"};
        }
        // The settings are a row of two columns.
        std::array<std::optional<std::string_view>, 1> column;
        if (type == BackendMessage::DataRow && protocol::read_data_row(body, column) && column[0]) {
            answer = {Outcome::Told, std::string{*column[0]}, {}};
        }
        rest = rest.subspan(header.frame_bytes());
    }
    return answer;
}

void PlanQuestion::on_refused(const pool::LoginFailure& reason) {
    finish({Outcome::NotAsked, {}, reason.fields.sqlstate.text()});
}

void PlanQuestion::on_prepare_failed(const protocol::ErrorFields& reason) {
    finish({Outcome::Failed, {}, reason.sqlstate.text()});
}

void PlanQuestion::on_backend_lost(const pool::BackendLoss& loss) {
    backend_ = nullptr;
    finish({Outcome::Failed, {}, loss.reason.sqlstate.text()});
}

void PlanQuestion::on_deadline(net::Deadline& /*deadline*/) {
    const bool is_wanted = backend_ == nullptr ? pool_->waiting() > 1 : pool_->is_waited_for(*this);
    if (is_wanted) {
        finish({Outcome::NotAsked, {}, "clients wait for a server connection"});
        return;
    }
    if (loop_.now() < due_) {
        loop_.set_deadline(look_, loop_.now() + kLookEvery);
        return;
    }
    if (backend_ == nullptr) {
        finish({Outcome::NotAsked, {}, "no server connection in time"});
    } else {
        backend_->kill();  // which tells on_backend_lost()
    }
}

/// Gives up the backend, or the place in the line for one. What still runs there is cancelled.
void PlanQuestion::leave() {
    look_.clear();
    if (pool_ == nullptr) {
        return;
    }
    pool_->forget(*this);
    if (pool::Backend* backend = std::exchange(backend_, nullptr); backend != nullptr) {
        if (backend->is_at_rest()) {
            pool_->release(*backend);
        } else {
            pool_->abandon(
                *backend, pool::Backend::Frame::Whole, pool::Backend::Departure::Vanished);
        }
    }
    pool_ = nullptr;
}

void PlanQuestion::finish(PlanAnswer answer) {
    leave();
    if (auto on_done = std::exchange(on_done_, nullptr)) {
        on_done(std::move(answer));
    }
}

// Nobody here has settings of its own, named statements, or replies too big to take.
void PlanQuestion::on_reported(std::string_view /*name*/, std::string_view /*value*/) {}

void PlanQuestion::on_progress() {}

void PlanQuestion::on_noted(const protocol::NotedOutcome& /*outcome*/) {}

void PlanQuestion::on_refusal_due(ByteView /*error*/) {}

void PlanQuestion::on_statements_forgotten() {}

void PlanQuestion::on_backend_drained() {}

}  // namespace weir::proxy
