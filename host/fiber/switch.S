/* switch.S: void gg_switch_asm(void **save_sp, void *sp): keep the callee-saved registers, change stacks.
 *
 * Neither the signal mask (two system calls in swapcontext) nor the floating point control words are kept: nothing
 * in the tree changes them between two waits. gg_switch_start is the first frame of a fiber; it marks the end of
 * the stack for unwinders. */
#if defined(__x86_64__)
    .text
    .globl gg_switch_asm
    .hidden gg_switch_asm
    .type gg_switch_asm, @function
gg_switch_asm:
    .cfi_startproc
    endbr64
    pushq %rbp
    pushq %rbx
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    movq %rsp, (%rdi)
    movq %rsi, %rsp
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbx
    popq %rbp
    ret
    .cfi_endproc
    .size gg_switch_asm, .-gg_switch_asm

    .globl gg_switch_start
    .hidden gg_switch_start
    .type gg_switch_start, @function
gg_switch_start:
    .cfi_startproc
    .cfi_undefined rip
    endbr64
    movq %r12, %rdi
    call *%r13
    ud2
    .cfi_endproc
    .size gg_switch_start, .-gg_switch_start
#elif defined(__aarch64__)
    .text
    .globl gg_switch_asm
    .hidden gg_switch_asm
    .type gg_switch_asm, %function
gg_switch_asm:
    .cfi_startproc
    hint #34 /* bti c */
    sub sp, sp, #160
    stp x19, x20, [sp, #0]
    stp x21, x22, [sp, #16]
    stp x23, x24, [sp, #32]
    stp x25, x26, [sp, #48]
    stp x27, x28, [sp, #64]
    stp x29, x30, [sp, #80]
    stp d8, d9, [sp, #96]
    stp d10, d11, [sp, #112]
    stp d12, d13, [sp, #128]
    stp d14, d15, [sp, #144]
    mov x9, sp
    str x9, [x0]
    mov sp, x1
    ldp x19, x20, [sp, #0]
    ldp x21, x22, [sp, #16]
    ldp x23, x24, [sp, #32]
    ldp x25, x26, [sp, #48]
    ldp x27, x28, [sp, #64]
    ldp x29, x30, [sp, #80]
    ldp d8, d9, [sp, #96]
    ldp d10, d11, [sp, #112]
    ldp d12, d13, [sp, #128]
    ldp d14, d15, [sp, #144]
    add sp, sp, #160
    ret
    .cfi_endproc
    .size gg_switch_asm, .-gg_switch_asm

    .globl gg_switch_start
    .hidden gg_switch_start
    .type gg_switch_start, %function
gg_switch_start:
    .cfi_startproc
    .cfi_undefined x30
    mov x0, x19
    blr x20
    brk #1
    .cfi_endproc
    .size gg_switch_start, .-gg_switch_start
#endif
    .section .note.GNU-stack, "", %progbits
