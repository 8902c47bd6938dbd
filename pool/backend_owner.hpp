#pragma once

#include "pool/backend_login.hpp"
#include "pool/backend_state.hpp"

namespace weir::pool {

class Backend;

/// The pool, as its backends see it.
class BackendOwner {
public:
    /// Now Idle: logged in, checked, cleaned, or no longer under cancel.
    virtual void on_backend_idle(Backend& backend) = 0;
    /// Closed; `failure` when it never got as far as to be of use. The owner deletes it with
    /// EventLoop::defer_delete.
    virtual void on_backend_ended(Backend& backend, const LoginFailure* failure) = 0;
    /// Its client has left and what it runs should stop.
    virtual void on_cancel_wanted(Backend& backend) = 0;
    /// The state is about to change: the lists follow.
    virtual void on_backend_moves(Backend& backend, BackendState to) = 0;
    /// An idle backend reports other defaults than before (its configuration was reloaded).
    virtual void on_defaults_changed() = 0;

protected:
    ~BackendOwner() = default;
};

}  // namespace weir::pool
