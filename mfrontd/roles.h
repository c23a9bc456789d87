/*
 * The processes that mfrontd starts as itself with "-x role": what main()
 * calls for each.  Those with a proc_ops run in proc_main(), the listeners
 * through listener_main(); none of them returns.
 */
#ifndef ROLES_H
#define ROLES_H

#include "proc.h"

extern const struct proc_ops	control_ops;
extern const struct proc_ops	connector_ops;
extern const struct proc_ops	auth_ops;
extern const struct proc_ops	hash_ops;
extern const struct proc_ops	engine_ops;

void	 imap_main(void) __attribute__((__noreturn__));
void	 pop3_main(void) __attribute__((__noreturn__));
void	 lmtp_main(void) __attribute__((__noreturn__));

#endif /* ROLES_H */
