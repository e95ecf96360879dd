-- Customers were drawn at random for one of two e-mails or for none. Those
-- without an e-mail are the control group of either: each e-mail is compared
-- with the same people. A customer's number is the line in the file.
with trial as (
    select * from landed.trial
),

drawn as (
    select
        cast(_line as varchar) as customer_id,
        unnest(
            case email
                when 'Mens E-Mail' then make_array('mens_email')
                when 'Womens E-Mail' then make_array('womens_email')
                else make_array('mens_email', 'womens_email')
            end
        ) as campaign_id,
        case when email = 'No E-Mail' then 'control' else 'treatment' end
            as arm
    from trial
)

select
    campaign_id,
    customer_id,
    day_start(date '2008-03-01') as assigned_at,
    arm
from drawn
