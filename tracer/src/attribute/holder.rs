//! For whom a program of Android uses a socket that it holds.

use tracer_common::map::ANDROID_FIRST_APP;

use super::packages::USER;

/// Whose a socket is.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct SocketUser {
    /// The uid that it is of.
    pub user: u32,
    /// The uid that Android charges for it, where that is another one.
    pub charged: Option<u32>,
}

impl SocketUser {
    /// The uid that a program of `holder`'s acts for: by the same rules as the kernel side's `user_of`.
    pub fn acts_for(&self, holder: u32) -> u32 {
        let is_of_app = |uid: u32| uid % USER >= ANDROID_FIRST_APP;
        let acts_for_it = !is_of_app(holder) && (holder == 0 || is_of_app(self.user));
        let for_user = acts_for_it.then_some(self.user);
        self.charged.or(for_user).unwrap_or(holder)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_that_the_system_holds_for_an_app_is_the_apps() {
        let check = |holder, user, charged, expected| {
            let socket = SocketUser { user, charged };
            assert_eq!(socket.acts_for(holder), expected, "{holder} {user}");
        };
        check(0, 10_001, None, 10_001);
        check(0, 1051, None, 1051);
        check(1000, 0, None, 1000);
        check(1000, 10_002, None, 10_002);
        check(10_002, 10_001, None, 10_002);
        check(10_002, 10_002, Some(10_001), 10_001);
    }
}
