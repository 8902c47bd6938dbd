// The part of Backend that brings the session's settings to what its holder is to have.

#include "pool/backend.hpp"
#include "pool/random_seed.hpp"
#include "protocol/frame.hpp"

#include <chrono>
#include <utility>

namespace weir::pool {

using protocol::FrontendMessage;
using protocol::ReplyAction;

namespace {

/// Settings take a server next to no time: one that is not through by then has stopped.
constexpr std::chrono::seconds kPrepareWithin{5};

}  // namespace

bool Backend::prepare(const SettingsPtr& wanted) {
    if (traces_.is_read_only_lifted_ && wanted->contains(kReadOnly)) {
        traces_.is_read_only_lifted_ = false;
        applied_ = nullptr;  // it is not what it is thought to be
    }
    if (applied_ == wanted) {
        return true;
    }
    ByteWriter output;
    wanted_ = wanted;
    prepare_error_.reset();
    settings_owed_ =
        write_settings_change(output, applied_.get(), *wanted, env_.traits.connect_query);
    if (applied_ == nullptr) {
        settings_owed_ += write_reseed(output);
    }
    if (settings_owed_ == 0) {
        applied_ = std::exchange(wanted_, nullptr);
        return true;
    }
    env_.loop.set_deadline(deadline_, env_.loop.now() + kPrepareWithin);
    send_swallowed(output);
    return false;
}

/// Sends messages of our own whose answers are for nobody. They are told to the FIFO by reading our
/// own frames: one place knows what was written.
void Backend::send_swallowed(const ByteWriter& output) {
    for (ByteView rest = output.bytes(); !rest.empty();) {
        const auto header = protocol::read_header(rest).header;
        expected_.sent(static_cast<FrontendMessage>(header.type), ReplyAction::Swallow);
        rest = rest.subspan(header.frame_bytes());
    }
    env_.counters.bytes_to_backends.add(output.size());
    stream_->write(output.bytes());
}

void Backend::reapply(const SettingsMap& settings, Reapply how) {
    traces_.is_reapplying_ = traces_.is_reapplying_ || how == Reapply::OrLose;
    ByteWriter output;
    static_cast<void>(write_settings_change(output, env_.settings.none().get(), settings, {}));
    send_swallowed(output);
}

void Backend::finish_prepare() {
    deadline_.clear();
    const SettingsPtr wanted = std::exchange(wanted_, nullptr);
    LeaseHolder* holder = holder_;
    if (prepare_error_) {
        applied_ = nullptr;
        if (holder != nullptr) {
            holder->on_prepare_failed(*std::exchange(prepare_error_, std::nullopt));
        }
        return;
    }
    applied_ = wanted;
    if (holder != nullptr) {
        holder->on_prepared();
    }
}

}  // namespace weir::pool
